/** What the doctor says of tables that ClickHouse does not keep up with: made in the engine, beside Ebb's own. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { wallClock } from '../../services/base/time.ts'
import { showChecks } from '../../services/doctor/check.ts'
import { examineClickHouse } from '../../services/doctor/clickhouse.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'

const store = await openMigrated({ after })

async function says(of: Store = store): Promise<string> {
  return showChecks(await examineClickHouse(of, wallClock))
}

test('a table of too many parts is a warning, with what to do', async () => {
  await store.command('CREATE TABLE parted (at UInt32) ENGINE = MergeTree ORDER BY at')
  await store.command('SYSTEM STOP MERGES parted')
  assert.match(await says(), /^ok +tables +Merges keep up/m)
  await store.command(
    `INSERT INTO parted SELECT number FROM numbers(501)
     SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1`,
  )
  assert.match(
    await says(),
    /^warn +tables +parted has 501 parts: merges do not keep up .* start no more processors/m,
  )
  await store.command('DROP TABLE parted')
})

test('a deletion that fails again and again is wrong, with its reason and what to do', {
  timeout: 60_000,
}, async () => {
  await store.command('CREATE TABLE torn (at UInt32) ENGINE = MergeTree ORDER BY at')
  await store.command('INSERT INTO torn VALUES (1)')
  await store.command(
    "ALTER TABLE torn DELETE WHERE throwIf(at = 1, 'a planted reason') = 0 SETTINGS mutations_sync = 0",
  )
  const minutesLater: Store = {
    ...store,
    query: (sql, params) =>
      store.query(sql, params && 'minutes' in params ? { ...params, minutes: 0 } : params),
  }
  for (;;) {
    const checks = await says(minutesLater)
    // It is tried in the background, and counts as of the next second.
    if (!/^wrong +tables.*planted reason/m.test(checks)) continue
    assert.match(
      checks,
      /A deletion in torn is not done .* see system.mutations, and mend the reason/,
    )
    break
  }
  assert.match(await says(), /^ok +tables/m, 'within minutes nothing is said')
  await store.command("KILL MUTATION WHERE table = 'torn' SYNC")
  await store.command('DROP TABLE torn')
})
