/** As of which point an audit looks, what it cannot look at any more, and what `progress` may say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { audit, type Findings } from '../../services/audit/audit.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { foldAll } from '../processor/fold-all.ts'
import { shopStartMs } from '../processor/shop.ts'
import { fillScene, openScene, type Scene } from './scene.ts'

const settings = (revision: number, values: object) =>
  ({ kind: 'settings', revision, settings: JSON.stringify(values) }) as const

async function withScene(scene: Scene, work: (scene: Scene) => Promise<void>): Promise<void> {
  try {
    await work(scene)
  } finally {
    await scene.close()
  }
}

const differences = (findings: Findings) => Object.values(findings).flatMap(one => one.examples)

test('while clicks are folded an audit finds nothing, whatever moment it sees', async () => {
  await withScene(await fillScene(2), async ({ log, store, source }) => {
    let done = false
    const folding = foldAll(log, store).finally(() => {
      done = true
    })
    let underway = 0
    for (let last = false; !last; ) {
      last = done
      const findings = await audit(source, 0)
      assert.deepEqual(differences(findings), [])
      if (findings.log.checked > 0 && findings.log.checked < 5_000) underway++
    }
    await folding
    assert.ok(underway > 0, 'some audit came upon a half folded log')
  })
})

test('caps, another gap, another zone, server events and an erasure on the way are no differences', async () => {
  const turns = [
    { share: 0, control: settings(1, { 'max-clicks': 3, 'server-events': ['page 3'] }) },
    { share: 0.3, control: settings(2, { gap: '20m', lateness: '2h' }) },
    { share: 0.5, control: settings(3, { 'max-session': '40m', zone: [[0, -120]] }) },
    { share: 0.6, control: { kind: 'erase', userId: 'user 7' } as const },
    { share: 0.7, control: settings(4, { 'max-session': '24h', lateness: '30m' }) },
  ]
  await withScene(await openScene(2, turns), async ({ store, source }) => {
    const findings = await audit(source, 0)
    assert.deepEqual(differences(findings), [])
    assert.match(findings.sessions.notes.join(), /lie across a change of settings/)

    const [cut] = await store.query<{ user_id: string; session_id: string }>(
      'SELECT user_id, session_id FROM sessions FINAL WHERE part = 2 AND final ORDER BY start LIMIT 1',
    )
    assert.ok(cut, 'some session was cut')
    await store.command(
      `INSERT INTO sessions SELECT * REPLACE (clicks + 1 AS clicks) FROM sessions FINAL
       WHERE user_id = {user_id:String} AND session_id = {session_id:String} AND part = 2`,
      { ...cut },
    )
    const [found] = (await audit(source, 0)).sessions.examples
    assert.match(found!.where, new RegExp(cut.session_id))
  })
})

test('progress ahead of the data: every record that no table has is named', async () => {
  await withScene(await openScene(1), async ({ log, store, source }) => {
    const { endOffset } = await log.bounds('clicks', 0)
    const click = {
      kind: 'click',
      eventId: 'ahead',
      userId: 'user ahead',
      anonymousId: null,
      type: 'track',
      name: 'page',
      timestampMs: shopStartMs + 45_000_000,
      receivedAtMs: shopStartMs + 45_000_000,
      url: null,
      referrer: null,
      value: null,
      currency: null,
      orderId: null,
      properties: '',
      context: '',
      imported: false,
    } as const
    await log.append('clicks', 0, [{ key: click.userId, value: encodeRecord(click) }])
    const ahead = (count: number) =>
      `INSERT INTO progress SELECT * REPLACE (next_offset + ${count} AS next_offset, version + ${count} AS version, '' AS last_hash)
       FROM (SELECT * FROM progress FINAL)`
    await store.command(ahead(1))
    const findings = await audit(source, 0)
    assert.deepEqual(
      findings.log.examples.map(({ where, should }) => ({ where, should })),
      [
        {
          where: `record ${endOffset} of clicks partition 0, a click of user user ahead`,
          should: 'accepted',
        },
      ],
    )
    assert.match(findings.users.examples[0]!.where, /user ahead/)

    await store.command(ahead(7))
    assert.match((await audit(source, 0)).progress.examples[0]!.should, /where the log ends/)
  })
})

test('progress of another log, and a clock that the log does not lead to', async () => {
  await withScene(await openScene(1), async ({ store, source }) => {
    const put = (change: string) =>
      store.command(`INSERT INTO progress SELECT * REPLACE (${change}) FROM progress FINAL`)
    await put('replaceRegexpOne(state, \'"clockMs":([0-9]+)\', \'"clockMs":1\\\\1\') AS state')
    const [clock] = (await audit(source, 0)).progress.examples
    assert.match(clock!.is, /clockMs 1\d+/)
    await put("repeat('0', 64) AS last_hash")
    const [other] = (await audit(source, 0)).progress.examples
    assert.match(other!.should, /not the log that the tables come from/)
  })
})

test('clicks behind a TTL are said to be gone, and what was made of them is no difference', async () => {
  await withScene(await openScene(1), async ({ store, source }) => {
    const dayMs = 86_400_000
    const horizonMs = shopStartMs + 20_000_000
    await store.command('ALTER TABLE clicks MODIFY TTL toDateTime(timestamp) + INTERVAL 3650 DAY')
    await store.command(
      'ALTER TABLE clicks DELETE WHERE toUnixTimestamp64Milli(timestamp) < {horizon:Int64} SETTINGS mutations_sync = 1',
      { horizon: String(horizonMs) },
    )
    const findings = await audit(source, horizonMs + 3650 * dayMs)
    assert.deepEqual(differences(findings), [])
    assert.match(findings.sessions.notes.join(), /are no longer kept/)
    assert.match(findings.users.notes.join(), /known for longer than clicks are kept/)
    assert.ok((await audit(source, 0)).log.differences > 0, 'without the TTL they would be missing')
  })
})

test('a log whose beginning is gone: the rest is audited, and what cannot be is said', async () => {
  await withScene(await openScene(1), async ({ log, store, source }) => {
    const kept = 3_000
    const short = {
      ...source,
      log: {
        bounds: async (topic: string, partition: number) => ({
          ...(await log.bounds(topic, partition)),
          startOffset: kept,
        }),
        read: log.read,
      },
    }
    const findings = await audit(short, 0)
    assert.deepEqual(differences(findings), [])
    assert.match(findings.alerts.notes.join(), /no longer begins at its first record/)
    assert.ok(findings.log.checked > 1_500, 'records that are kept are accounted for')
    await store.command(
      "ALTER TABLE clicks DELETE WHERE verdict = 'accepted' AND offset IN (2990, 4000) SETTINGS mutations_sync = 1",
    )
    const [missing, ...others] = (await audit(short, 0)).log.examples
    assert.match(missing!.where, /record 4000 /)
    assert.deepEqual(others, [])
  })
})
