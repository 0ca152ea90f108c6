/** History that comes only when the project is live: as if it had been imported first, and nobody is told twice. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { partitionOf, slotOf } from '../../services/base/slot.ts'
import { decodeRecord, encodeRecord } from '../../services/log/codec.ts'
import type { Click } from '../../services/log/record.ts'
import { addIncoming } from '../../services/rebuild/history.ts'
import { beginRebuild, continueRebuild, originOf } from '../../services/rebuild/rebuild.ts'
import { seeded, shopLog, shopRules, shopStartMs } from '../processor/shop.ts'
import {
  append,
  auditFindsNothing,
  createRebuilders,
  type Entry,
  foldAll,
  messages,
  present,
  type Rebuilder,
  seen,
  siteOf,
  startFolding,
} from './rebuilder.ts'

const shop = { seed: 7, clicks: 2_500, users: 400, stepMs: 40_000 }
const shopEndMs = shopStartMs + shop.clicks * shop.stepMs
const dayMs = 86_400_000
const partitions = 2

/** The shop's live clicks. Nobody is high: when cutoffs come is another matter. */
const live = shopLog(shop, 1)[0]!.filter(({ record }) => {
  const { kind } = decodeRecord(record.value)
  return kind !== 'cutoffs' && kind !== 'rule'
})
const told = shopRules.map(rule => ({
  atMs: shopStartMs,
  record: {
    key: null,
    value: encodeRecord({ kind: 'rule', revision: 1, rule: JSON.stringify(rule) }),
  },
}))

/** Three weeks before the shop is live; some users are never seen again. In order of time, as files are. */
function historyClicks(): Click[] {
  const random = seeded(11)
  const times = Array.from({ length: 2_000 }, () =>
    Math.floor(shopStartMs - dayMs / 8 - random() * 21 * dayMs),
  )
  return times
    .sort((left, right) => left - right)
    .map((timestampMs, at) => ({
      ...{ kind: 'click', anonymousId: null, type: 'track', url: null, referrer: null },
      ...{ eventId: `h${at}`, userId: `user ${Math.floor(random() * 460)}`, context: '' },
      ...{ timestampMs, receivedAtMs: timestampMs, imported: true, currency: null },
      ...(at % 9 === 0
        ? { name: 'purchase', value: at / 10, orderId: `h${at}`, properties: '{"sku":"née"}' }
        : { name: 'page', value: null, orderId: null, properties: '' }),
    }))
}

const history = historyClicks()

const incoming = (clicks: readonly Click[]) =>
  clicks.map((click, order) => ({
    ...{ order, userId: click.userId, eventId: click.eventId, timestampMs: click.timestampMs },
    ...{ slot: slotOf(click.userId), partition: partitionOf(click.userId, partitions) },
    record: encodeRecord(click).toString('base64'),
  }))

const { open, openFolded } = createRebuilders()

/** A project that was live from the beginning, and everything of it is folded. */
const openLive = (database: string) =>
  openFolded(database, shopRules, [...told, ...live], partitions)

async function rebuildWith(project: Rebuilder, clicks: readonly Click[]): Promise<string[]> {
  const sentences: string[] = []
  const site = siteOf(project, sentence => sentences.push(sentence))
  const first = await present(project, partitions)
  const old = await startFolding(project, first)
  const rebuild = await beginRebuild(site, first)
  await addIncoming(project.shadow, incoming(clicks))
  await continueRebuild(site, await originOf(site, rebuild), rebuild)
  await old.stop()
  return sentences
}

async function logGivesTables(project: Rebuilder): Promise<void> {
  await auditFindsNothing(project, await present(project, partitions))
}

describe('history of before the first live click', () => {
  let imported: Rebuilder
  let project: Rebuilder
  let toldBefore: Map<string, Set<string>>

  before(async () => {
    imported = await open('ebb')
    const only = await present(imported, partitions)
    const entries: Entry[] = history.map(click => ({
      atMs: shopStartMs,
      record: { key: click.userId, value: encodeRecord(click) },
    }))
    imported.nowMs = shopStartMs
    for (const { record } of [...told, ...entries])
      for (let partition = 0; partition < partitions; partition++)
        if (record.key === null || partitionOf(record.key, partitions) === partition)
          await imported.log.append('clicks', partition, [record])
    const atMs = shopStartMs
    const goesLive = { atMs, record: { key: null, value: encodeRecord({ kind: 'live', atMs }) } }
    await append(imported, only, [goesLive, ...live])
    await foldAll(imported, only)

    project = await openLive('ebb_late')
    toldBefore = await messages(project)
    await rebuildWith(project, history)
  })

  for (const name of ['clicks', 'sessions', 'users', 'user_days', 'users_now'])
    test(`${name} are those of a project that imported first`, async () => {
      const [expected, found] = [(await seen(imported))[name]!, (await seen(project))[name]!]
      assert.ok(expected.length > 200, 'there is something to compare')
      for (const [at, row] of expected.entries()) assert.deepEqual(found[at], row)
      assert.equal(found.length, expected.length)
    })

  test('its log alone gives its tables: an audit finds nothing', () => logGivesTables(project))

  test('what was told stands with its body; only silences of the file are new, the old ones of them stale', async () => {
    const now = await messages(project)
    for (const [id, bodies] of toldBefore) assert.deepEqual(now.get(id), bodies, id)
    const [row] = await project.store.query<Record<'all' | 'stale' | 'right' | 'ofFile', string>>(
      `SELECT count() AS all, countIf(status = 'stale') AS stale, countIf(since < {start:DateTime64(3, 'UTC')}) AS ofFile,
              countIf((status = 'stale') = (clock - INTERVAL 1 MINUTE - INTERVAL 1 DAY > due)) AS right
       FROM alerts FINAL WHERE epoch = 1 AND rule_id = 'everyone'`,
      { start: shopStartMs / 1_000 },
    )
    const [all, stale, ofFile, right] = [row!.all, row!.stale, row!.ofFile, row!.right].map(Number)
    assert.ok(stale! > 20 && all! > stale!, `${stale} of ${all} are stale`)
    assert.deepEqual([ofFile, right], [all, all])
  })

  test('who comes back after it is told of, by the alert of before', async () => {
    const rows = await project.store.query<{ user_id: string; alert_id: string }>(
      `SELECT user_id, alert_id FROM alerts FINAL WHERE rule_id = 'everyone' AND epoch = 0
       GROUP BY user_id, alert_id HAVING countIf(status = 'fired') > 0 AND countIf(status = 'resolved') = 0
       ORDER BY user_id`,
    )
    assert.ok(rows.length > 3, `${rows.length} silences are open`)
    const atMs = shopEndMs + dayMs / 24
    const returns = rows.map(({ user_id: userId }) => {
      const click: Click = {
        ...history[1]!,
        ...{ userId, eventId: `back ${userId}`, timestampMs: atMs, receivedAtMs: atMs },
        imported: false,
      }
      return { atMs, record: { key: userId, value: encodeRecord(click) } }
    })
    const second = await present(project, partitions)
    await append(project, second, returns)
    await foldAll(project, second)
    const resolved = await project.store.query<{ user_id: string; alert_id: string }>(
      `SELECT user_id, alert_id FROM alerts FINAL
       WHERE rule_id = 'everyone' AND epoch = 1 AND status = 'resolved' ORDER BY user_id`,
    )
    assert.deepEqual(resolved, rows)
    await logGivesTables(project)
  })
})

test('clicks of a file that lie among live ones, and some that are known, count once', async () => {
  const project = await openLive('ebb_among')
  const known = live
    .map(({ record }) => decodeRecord(record.value))
    .filter(record => record.kind === 'click')
    .filter(({ type, eventId }, at) => at % 20 === 0 && type === 'track' && eventId !== '')
    .map(click => ({ ...click, imported: true }))
  const among = history.map((click, at) => {
    const timestampMs = shopStartMs + Math.floor((at / history.length) * (shopEndMs - shopStartMs))
    return { ...click, timestampMs, receivedAtMs: timestampMs }
  })
  const clicks = [...known, ...among].sort((left, right) => left.timestampMs - right.timestampMs)
  const told = (await messages(project)).size
  const sentences = await rebuildWith(project, clicks)
  assert.ok(sentences.some(sentence => / clicks of the files are in the project/.test(sentence)))
  const [row] = await project.store.query<{ known: string; among: string }>(
    `SELECT countIf(imported AND NOT startsWith(event_id, 'h')) AS known,
            countIf(imported AND startsWith(event_id, 'h')) AS among FROM clicks FINAL`,
  )
  assert.deepEqual([Number(row!.known), Number(row!.among)], [0, among.length])
  await logGivesTables(project)
  for (const [id, bodies] of await messages(project)) assert.equal(bodies.size, 1, id)
  const [ended] = await project.store.query<{ late: string }>(
    "SELECT count() AS late FROM alerts FINAL WHERE epoch = 1 AND status = 'resolved'",
  )
  assert.ok(Number(ended!.late) > 3, 'silences that the file refutes end')
  assert.ok((await messages(project)).size > told)
})
