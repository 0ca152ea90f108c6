import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { startCollector } from '../../services/collector/collector.ts'
import { rejectWriter } from '../../services/collector/rejects.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { event, fakeLog, nested, now, silent, topic } from './fixture.ts'

/** Fails once after it has written: the answer was lost, the rows were not. */
function losingOneAnswer(store: Store): Pick<Store, 'insert'> {
  let lost = false
  return {
    async insert(table, rows) {
      await store.insert(table, rows)
      if (!lost) {
        lost = true
        throw new EbbError('storeRefused', 'The answer was lost.')
      }
    },
  }
}

test('what is refused at the door stands in ClickHouse once, as it came', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'ebb-rejects-'))
  const store = await openEmbeddedStore({ directory, database: 'ebb' })
  t.after(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  await migrate(store)
  const { url, stop } = await startCollector({
    log: fakeLog(),
    store: losingOneAnswer(store),
    topic,
    host: '127.0.0.1',
    port: 0,
    clock: () => now,
    live: true,
    logger: silent,
  })
  const headers = { 'content-type': 'application/json' }
  const post = (path: string, body: string | Buffer) =>
    fetch(`${url}/v1/${path}`, { method: 'POST', headers, body: new Uint8Array(Buffer.from(body)) })
  const strange = `{"userId":"\\ud800","k":"'\\\\\\u0000\\n"}`
  await post('track', strange)
  await post('batch', JSON.stringify({ batch: [event(), event({ messageId: 'm2', type: 'x' })] }))
  await post('track', Buffer.from([0x7b, 0xff]))
  await post('track', nested(80_000))
  // All are stored by the first beat, but its answer was lost: they go again, at the next or at the stop.
  await new Promise(setImmediate)
  while ((await count(store)) < 4) await new Promise(setImmediate)
  await stop()
  const rows = await store.query<Record<string, unknown>>(
    `SELECT index, reason, user_id, event_id, timestamp, bytes, toUnixTimestamp64Milli(clock) AS clock
    FROM rejects FINAL WHERE source = 'collector' ORDER BY offset`,
  )
  assert.deepEqual(
    rows.map(row => [row.index, row.reason, row.user_id, row.event_id]),
    [
      [0, 'user', '\ufffd', ''],
      [1, 'type', 'u1', 'm2'],
      [0, 'json', '', ''],
      [0, 'depth', '', ''],
    ],
  )
  assert.deepEqual(JSON.parse(String(rows[0]!.bytes)), JSON.parse(strange))
  assert.equal(rows[1]!.timestamp, '2026-03-01 11:59:00.000')
  assert.equal(rows[2]!.bytes, '{\ufffd')
  assert.equal(Number(rows[0]!.clock), now)
})

test('what collectors that were started in one moment refuse stands side by side', async t => {
  const store = await openMigrated(t)
  const writers = [7, 8].map(writer =>
    rejectWriter({ store, logger: silent, startedAtMs: now, writer, every: () => () => {} }),
  )
  const nothing = { index: 0, detail: '', eventId: '', timestampMs: null, text: '{}' }
  for (const [at, { reject }] of writers.entries())
    reject({ ...nothing, reason: 'user', clockMs: now, userId: `u${at}` })
  for (const { stop } of writers) await stop()
  assert.equal(await count(store), 2)
})

async function count(store: Store): Promise<number> {
  const [row] = await store.query<{ n: string }>('SELECT count() AS n FROM rejects FINAL')
  return Number(row!.n)
}
