/** `ebb audit` by its executable: of an Ebb that runs, of one that does not, and of tables that somebody changed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { ebb, startUp } from '../control/ebb.ts'

let cwd: string

before(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ebb-audit-'))
})
after(() => rmSync(cwd, { recursive: true, force: true }))

test('a running Ebb is audited while it takes clicks', async t => {
  const up = await startUp(cwd, '--no-demo')
  t.after(() => up.stop('SIGKILL'))
  for (let n = 0; n < 5; n++) {
    const event = { type: 'track', event: 'page', userId: `user ${n}`, messageId: `m${n}` }
    const response = await fetch(`${up.collector}/v1/track`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(event),
    })
    assert.equal(response.status, 200)
  }
  const ran = await ebb(['audit'], cwd)
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
  assert.match(ran.stdout, /the tables say what the clicks say/)
  await up.stop('SIGINT')
})

test('one that does not run is audited too; what somebody changed is named, with status 1', async () => {
  const honest = await ebb(['audit'], cwd)
  assert.equal(honest.status, 0, honest.stdout + honest.stderr)
  assert.match(honest.stdout, / 5 users +agree/)
  assert.match(honest.stdout, / 5 records of the log in the tables +agree/)

  const store = await openEmbeddedStore({
    directory: join(cwd, 'data/clickhouse'),
    database: 'ebb',
  })
  await store.command(
    "INSERT INTO users SELECT * REPLACE (clicks + 1 AS clicks) FROM users FINAL WHERE user_id = 'user 3'",
  )
  const kept = await store.query<{ audits: string; differences: string }>(
    'SELECT uniqExact(started_at) AS audits, sum(differences) AS differences FROM audits FINAL',
  )
  await store.close()
  assert.deepEqual(kept, [{ audits: '2', differences: '0' }])

  const changed = await ebb(['audit'], cwd)
  assert.equal(changed.status, 1, changed.stdout + changed.stderr)
  assert.match(changed.stdout, /user user 3: is clicks 2; should be clicks 1/)
  assert.match(changed.stdout, /1 differences: the tables do not say/)
})
