/** A project that grows in the middle of its log ends as one that never did. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { audit } from '../../services/audit/audit.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Click } from '../../services/log/record.ts'
import { type ProcessorOptions, startProcessor } from '../../services/processor/processor.ts'
import { drainEpoch, sealEpoch } from '../../services/rebuild/drain.ts'
import { beginEpoch, readEpochs, readSealed } from '../../services/rebuild/epochs.ts'
import { openPresent, type Present } from '../../services/rebuild/present.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { shopLog } from '../processor/shop.ts'
import { messages } from './rebuilder.ts'

const kept = { retentionMs: Number.POSITIVE_INFINITY, retentionBytes: Number.POSITIVE_INFINITY }
const shop = { seed: 20_260_105, clicks: 5_000, users: 200, stepMs: 9_000 }
const alertsPartitions = 2

/** A project on a log and tables of its own. */
interface Grower {
  readonly log: Log
  readonly store: EmbeddedStore
  nowMs: number
}

interface Entry {
  readonly atMs: number
  readonly record: NewRecord
}

const present = ({ log, store }: Grower, partitions: number) =>
  openPresent({ log, store }, 'clicks', { partitions, ...kept })

/**
 * To its user's partition, or to all; with a tick on all of them, so that every partition has one clock and what
 * is found does not hang on how users share partitions.
 */
async function append(grower: Grower, { topic, partitions }: Present, entries: readonly Entry[]) {
  for (const { atMs, record } of entries) {
    grower.nowMs = atMs
    const tick = { key: null, value: encodeRecord({ kind: 'tick', atMs, writer: 'test' }) }
    for (let partition = 0; partition < partitions; partition++) {
      const isHere = record.key === null || partitionOf(record.key, partitions) === partition
      await grower.log.append(topic, partition, isHere ? [tick, record] : [tick])
    }
  }
}

function processing({ log, store }: Grower, epoch: Present) {
  const shared = { log, store, alertsTopic: 'alerts', alertsPartitions, project: 'default' }
  return { ...shared, ...epoch }
}

/** Folds all that is on the epoch's topic. */
async function fold(grower: Grower, epoch: Present): Promise<void> {
  const ends = await Promise.all(
    Array.from({ length: epoch.partitions }, (_, at) => grower.log.bounds(epoch.topic, at)),
  )
  const reached = new Set<number>()
  const done = Promise.withResolvers<void>()
  const moved = (partition: number, nextOffset: number) => {
    if (nextOffset >= ends[partition]!.endOffset) reached.add(partition)
    if (reached.size === epoch.partitions) done.resolve()
  }
  const failed: ProcessorOptions['failed'] = (_partition, error) => done.reject(error)
  const processor = await startProcessor({
    ...processing(grower, epoch),
    troubled: failed,
    failed,
    opened: moved,
    flushed: (partition, _state, nextOffset) => moved(partition, nextOffset),
  })
  await done.promise.finally(() => processor.stop())
}

function clickOf(
  facts: Pick<Click, 'userId' | 'eventId' | 'timestampMs' | 'receivedAtMs'>,
): NewRecord {
  const click: Click = {
    ...{ kind: 'click', anonymousId: null, type: 'track', name: 'page' },
    ...{ url: null, referrer: null, value: null, currency: null, orderId: null },
    ...{ properties: '', context: '', imported: false },
    ...facts,
  }
  return { key: facts.userId, value: encodeRecord(click) }
}

/** What people see, without where it was made. */
const views: Readonly<Record<string, string>> = {
  clicks:
    'SELECT user_id, timestamp, event_id, verdict, purchase, amount, clock FROM clicks FINAL ORDER BY ALL',
  sessions:
    'SELECT user_id, session_id, part, start, end, clicks, first_event, last_event, value, final FROM sessions FINAL ORDER BY ALL',
  users: `SELECT * EXCEPT (state, epoch, partition, version) FROM users FINAL ORDER BY user_id`,
  user_days: 'SELECT * EXCEPT (epoch, partition, version) FROM user_days FINAL ORDER BY ALL',
  alerts:
    'SELECT * EXCEPT (epoch, partition, offset, precedence) FROM alerts FINAL ORDER BY message_id',
  users_now: 'SELECT * EXCEPT partition FROM users_now ORDER BY user_id',
}

async function seen({ store }: Grower): Promise<Record<string, unknown[]>> {
  const rows: Record<string, unknown[]> = {}
  for (const [name, sql] of Object.entries(views)) rows[name] = await store.query(sql)
  return rows
}

const directory = mkdtempSync(join(tmpdir(), 'ebb-grow-'))
const opened: EmbeddedStore[] = []
after(async () => {
  for (const store of opened) await store.close()
  rmSync(directory, { recursive: true, force: true })
})

/** The engine has one directory in a process: each project has a database of its own. */
async function open(database: string): Promise<Grower> {
  const store = await openEmbeddedStore({ directory, database })
  opened.push(store)
  await migrate(store)
  const log = openMemoryLog({ clock: () => grower.nowMs })
  await log.ensure('alerts', { partitions: alertsPartitions, ...kept })
  const grower: Grower = { log, store, nowMs: 0 }
  return grower
}

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
  await drainEpoch(processing(project, first))
  const second = await present(project, 1)
  await project.log.append(second.topic, partitionOf('u', 2), [clickOn(0.75)])
  await fold(project, second)
  assert.deepEqual(
    await project.store.query('SELECT clicks FROM user_days FINAL ORDER BY day LIMIT 1'),
    [{ clicks: 4 }],
  )
})

describe('a project that grows from 2 to 8 partitions', () => {
  const entries = shopLog(shop, 1)[0]!
  const middle = Math.floor(entries.length * 0.75)
  let steady: Grower
  let grown: Grower

  before(async () => {
    steady = await open('ebb')
    const only = await present(steady, 2)
    await append(steady, only, entries)
    await fold(steady, only)

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
    await drainEpoch(processing(grown, first))
    assert.equal((await readSealed(grown.store, 'clicks')).size, 2)
    await drainEpoch(processing(grown, first))
    const second = await present(grown, 2)
    assert.deepEqual([second.epoch, second.topic, second.partitions], [1, 'e1.clicks', 8])
    const rest = entries.slice(middle)
    const part = Math.floor(rest.length / 3)
    await append(grown, second, rest.slice(0, part))
    await fold(grown, second)
    // And a restart within the new epoch.
    await append(grown, second, rest.slice(part))
    await fold(grown, second)
  })

  for (const name of Object.keys(views))
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
