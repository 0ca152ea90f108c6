/** A project that grows in the middle of its log ends as one that never did. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { audit } from '../../services/audit/audit.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { drainEpoch, sealEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch, readEpochs, readSealed } from '../../services/rebuild/epochs.ts'
import type { Present } from '../../services/rebuild/present.ts'
import { shopLog } from '../processor/shop.ts'
import {
  append,
  clickOf,
  createRebuilders,
  foldAll,
  messages,
  present,
  type Rebuilder,
  seen,
} from './rebuilder.ts'

const shop = { seed: 20_260_105, clicks: 5_000, users: 200, stepMs: 9_000 }

const { open } = createRebuilders()

/** Seals the epoch, and folds it to its end. */
const drain = ({ log, store }: Rebuilder, epoch: Present) =>
  drainEpoch({
    ...{ log, store, alertsTopic: 'alerts', alertsPartitions: 2, project: 'default' },
    ...epoch,
  })

test('a day of the old epoch that a late click touches in the new one is counted whole', async () => {
  const dayMs = 86_400_000
  const project = await open('ebb_days')
  const first = await present(project, 1)
  const clickOn = (day: number) =>
    clickOf({
      ...{ userId: 'u', eventId: `${day}` },
      ...{ timestampMs: (20_000 + day) * dayMs, receivedAtMs: project.nowMs },
    })
  for (const day of [0, 0.25, 0.5, 1, 2, 3]) {
    project.nowMs = (20_000 + day) * dayMs
    await project.log.append('clicks', 0, [clickOn(day)])
  }
  await beginEpoch(project.store, first, 'clicks', 2, project.nowMs)
  await drain(project, first)
  const second = await present(project, 1)
  await project.log.append(second.topic, partitionOf('u', 2), [clickOn(0.75)])
  await foldAll(project, second)
  assert.deepEqual(
    await project.store.query('SELECT clicks FROM user_days FINAL ORDER BY day LIMIT 1'),
    [{ clicks: 4 }],
  )
})

describe('a project that grows from 2 to 8 partitions', () => {
  const entries = shopLog(shop, 1)[0]!
  const middle = Math.floor(entries.length * 0.75)
  let steady: Rebuilder
  let grown: Rebuilder

  before(async () => {
    steady = await open('ebb')
    const only = await present(steady, 2)
    await append(steady, only, entries)
    await foldAll(steady, only)

    grown = await open('ebb_grown')
    const first = await present(grown, 2)
    assert.deepEqual([first.epoch, first.topic], [0, 'clicks'])
    await append(grown, first, entries.slice(0, middle))
    await beginEpoch(grown.store, first, 'clicks', 8, grown.nowMs)
    // A crash here: the seals are there, and come again.
    await sealEpoch(grown.log, grown.store, first)
    // Behind the seals: this is for who carries over, and not to be folded here.
    const behind = clickOf({
      ...{ userId: 'behind', eventId: 'behind' },
      ...{ timestampMs: grown.nowMs, receivedAtMs: grown.nowMs },
    })
    for (const partition of [0, 1]) await grown.log.append('clicks', partition, [behind])
    await drain(grown, first)
    assert.equal((await readSealed(grown.store, 'clicks')).size, 2)
    await drain(grown, first)
    const second = await present(grown, 2)
    assert.deepEqual([second.epoch, second.topic, second.partitions], [1, 'e1.clicks', 8])
    const rest = entries.slice(middle)
    const part = Math.floor(rest.length / 3)
    await append(grown, second, rest.slice(0, part))
    await foldAll(grown, second)
    // And a restart within the new epoch.
    await append(grown, second, rest.slice(part))
    await foldAll(grown, second)
  })

  for (const name of [
    'clicks',
    'sessions',
    'users',
    'silences',
    'user_days',
    'alerts',
    'users_now',
  ])
    test(`${name} are those of one that never grew`, async () => {
      const [expected, found] = [(await seen(steady))[name]!, (await seen(grown))[name]!]
      assert.ok(expected.length > 50, 'there is something to compare')
      for (const [at, row] of expected.entries()) assert.deepEqual(found[at], row)
      assert.equal(found.length, expected.length)
    })

  test('every alert is on its log with one body, and no other is', async () => {
    assert.deepEqual(await messages(grown), await messages(steady))
  })

  test('some session, silence and order lie across the growth', async () => {
    const [across] = await grown.store.query<Record<string, string>>(
      `SELECT (SELECT count() FROM (SELECT user_id, session_id FROM sessions AS s FINAL INNER JOIN clicks AS c FINAL
                 ON c.user_id = s.user_id WHERE c.verdict = 'accepted' AND c.timestamp >= s.start AND c.timestamp <= s.end
                 GROUP BY user_id, session_id HAVING uniqExact(c.epoch) = 2)) AS sessions,
              (SELECT count() FROM alerts FINAL WHERE epoch = 1 AND since < (SELECT max(clock) FROM clicks WHERE epoch = 0)) AS silences`,
    )
    assert.ok(Number(across!.sessions) > 3, `sessions: ${across!.sessions}`)
    assert.ok(Number(across!.silences) > 3, `silences: ${across!.silences}`)
  })

  test('an audit over both epochs finds nothing, and a planted difference of either', async () => {
    const { log, store } = grown
    const epoch = await present(grown, 2)
    const source = { log, store, project: 'default', ...epoch }
    const findings = await audit(source, 0)
    for (const { examples, notes } of Object.values(findings))
      assert.deepEqual([examples, notes], [[], []])
    const [{ count } = { count: '' }] = await store.query<{ count: string }>(
      'SELECT count() AS count FROM alerts FINAL',
    )
    assert.deepEqual([findings.log.checked, findings.alerts.checked], [5_000, Number(count)])
    for (const number of [0, 1])
      await store.command(
        `ALTER TABLE alerts DELETE WHERE message_id IN (SELECT max(message_id) FROM alerts WHERE epoch = ${number}) SETTINGS mutations_sync = 1`,
      )
    const { alerts } = await audit(source, 0)
    assert.deepEqual(
      alerts.examples.map(({ is }) => is),
      ['missing', 'missing'],
    )
  })

  test('it cannot shrink', async () => {
    const second = await present(grown, 2)
    await assert.rejects(beginEpoch(grown.store, second, 'clicks', 4, 0), /8 partitions already/)
    assert.equal((await readEpochs(grown.store)).length, 2)
  })
})
