/** `ebb grow` of a project in one process, by its executable. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { ebb, startUp, type Up } from '../control/ebb.ts'

let cwd: string

before(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ebb-grow-'))
})
after(() => rmSync(cwd, { recursive: true, force: true }))

const users = 12

/** One click of each user, acknowledged. */
async function clickAll(up: Up, name: string): Promise<void> {
  for (let n = 0; n < users; n++) {
    const event = { type: 'track', event: name, userId: `user ${n}`, messageId: `${name} ${n}` }
    const answer = await fetch(`${up.collector}/v1/track`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(event),
    })
    assert.equal(answer.status, 200)
  }
}

test('it does not grow while it runs, and says so', async t => {
  const up = await startUp(cwd, '--no-demo')
  t.after(() => up.stop('SIGKILL'))
  await clickAll(up, 'before')
  const refused = await ebb(['grow', '16'], cwd)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /grows while it is stopped/)
  await up.stop('SIGINT')
})

test('a number that is no power of two, or no more than there are, changes nothing', async () => {
  assert.match((await ebb(['grow', '12'], cwd)).stderr, /12 is no number of partitions/)
  assert.match((await ebb(['grow', '4'], cwd)).stderr, /has 4 partitions already/)
})

test('stopped it grows, and sessions go on where they were', async t => {
  const grown = await ebb(['grow', '16'], cwd)
  assert.equal(grown.status, 0, grown.stderr)
  assert.match(grown.stdout, /16 partitions, in epoch 1/)
  const up = await startUp(cwd, '--no-demo')
  t.after(() => up.stop('SIGKILL'))
  await clickAll(up, 'after')
  assert.equal((await ebb(['audit'], cwd)).status, 0)
  const explained = await ebb(['user', 'user 3'], cwd)
  assert.match(explained.stdout, /sessions +1, with 2 clicks/)
  await up.stop('SIGINT')
  const store = await openEmbeddedStore({
    directory: join(cwd, 'data/clickhouse'),
    database: 'ebb',
  })
  const [row] = await store.query<Record<string, string>>(
    `SELECT (SELECT count() FROM clicks FINAL WHERE epoch = 1 AND verdict = 'accepted') AS after,
            (SELECT count() FROM sessions FINAL) AS sessions,
            (SELECT uniqExact(partition) FROM users FINAL) AS partitions`,
  )
  await store.close()
  assert.deepEqual([Number(row!.after), Number(row!.sessions)], [users, users])
  assert.ok(Number(row!.partitions) > 4)
})

test('twice in a row, with nothing in between: what partitions know goes all the way', async t => {
  for (const partitions of ['32', '64']) {
    const grown = await ebb(['grow', partitions], cwd)
    assert.equal(grown.status, 0, grown.stderr)
  }
  const up = await startUp(cwd, '--no-demo')
  t.after(() => up.stop('SIGKILL'))
  await clickAll(up, 'later')
  const audited = await ebb(['audit'], cwd)
  assert.equal(audited.status, 0, audited.stdout + audited.stderr)
  await up.stop('SIGINT')
  const store = await openEmbeddedStore({
    directory: join(cwd, 'data/clickhouse'),
    database: 'ebb',
  })
  const rows = await store.query<Record<string, unknown>>(
    `SELECT epoch, count() AS partitions FROM progress FINAL
     WHERE endsWith(topic, 'clicks') AND clock IS NOT NULL AND JSONExtractString(state, 'imports') = 'over'
       AND epoch < 3
     GROUP BY epoch ORDER BY epoch`,
  )
  await store.close()
  assert.deepEqual(
    rows.map(row => Number(row.partitions)),
    [4, 16, 32],
  )
})
