/**
 * A partition that is read back folds on as one that never stopped: same rows, same alerts, same states, wherever it
 * stopped. Its rows are chunked as a restore finds them; that they come so out of the tables, kill.test.ts shows.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { encodeRecord } from '../../services/log/codec.ts'
import type { LogRecord } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { ClicksRecord } from '../../services/log/record.ts'
import { cancelSilences } from '../../services/processor/fold/alert.ts'
import { placeOfRow } from '../../services/processor/fold/packed-rows.ts'
import type { Rule } from '../../services/processor/fold/rule.ts'
import { idHash } from '../../services/processor/fold/session.ts'
import {
  finishPlacing,
  placeRow,
  restorePartition,
  snapshotPartition,
} from '../../services/processor/fold/snapshot.ts'
import {
  createState,
  createUser,
  type PartitionState,
  type User,
} from '../../services/processor/fold/state.ts'
import {
  idsInRowMax,
  readDueFacts,
  restoreUser,
  snapshotUser,
} from '../../services/processor/fold/user-row.ts'
import { createFolded, forgetGathered, gatherUsers } from '../../services/processor/folded.ts'
import { createRecordFold } from '../../services/processor/record-fold.ts'
import { restore } from '../../services/processor/restore.ts'
import { migrate } from '../../services/store/migrate.ts'
import { temporaryEngine } from '../store/fixture.ts'
import { foldAll, makeTopics } from './fold-all.ts'
import { seeded, shopLog, shopStartMs } from './shop.ts'

const place = { epoch: 0, partition: 0 }
const shop = { seed: 3, clicks: 6_000, users: 300, stepMs: 30_000 }

/** Records that change the rules of the game, among the clicks. */
const controls: ClicksRecord[] = [
  {
    kind: 'audience',
    userId: 'user 3',
    segments: ['vip', 'ü'],
    scores: { churn: 0.25, '': -1e-9 },
  },
  { kind: 'erase', userId: 'user 5' },
  {
    kind: 'rule',
    revision: 1,
    rule: JSON.stringify({ id: 'vip', when: { quiet_for: '20m' }, who: { segment: 'vip' } }),
  },
  { kind: 'cutoffs', revision: 1e6, high: 170, keep: 165 },
  { kind: 'settings', revision: 1, settings: JSON.stringify({ gap: '10m' }) },
  { kind: 'rule', revision: 2, rule: JSON.stringify({ id: 'everyone', removed: true }) },
  {
    kind: 'rule',
    revision: 3,
    rule: JSON.stringify({
      id: 'everyone',
      when: { quiet_for: '40m' },
      then: { escalate: ['2h'] },
    }),
  },
]

function shopRecords(): LogRecord[] {
  const values = shopLog(shop, 1)[0]!.map(({ atMs, record }) => ({ ...record, atMs }))
  for (const [nth, control] of controls.entries()) {
    const at = 1_500 + nth * 600
    const value = encodeRecord(control)
    values.splice(at, 0, { key: null, value, atMs: values[at]!.atMs })
  }
  return values.map(({ key, value, atMs }, offset) => ({ key, value, offset, appendMs: atMs }))
}

function textBytes(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = [(bytes.length % 128) + 128, ((bytes.length >> 7) % 128) + 128, bytes.length >> 14]
  return Buffer.concat([Buffer.from(length), bytes])
}

function chunkOf(users: Iterable<User>): Buffer {
  const rows = Array.from(users, user => {
    const version = Buffer.alloc(8)
    version.writeDoubleLE(user.version)
    return Buffer.concat([textBytes(user.id), textBytes(snapshotUser(user)), version])
  })
  return Buffer.concat(rows)
}

/** As a restart finds it: of its users there are rows, in several chunks. */
function readBack(state: PartitionState): PartitionState {
  const back = restorePartition('default', snapshotPartition(state))
  const users = [...state.users.values()]
  for (const half of [users.slice(0, users.length / 2), users.slice(users.length / 2)]) {
    const chunk = chunkOf(half)
    for (let at = 0, endAt = 0; at < chunk.length; at = endAt) {
      const row = placeOfRow(chunk, at)
      endAt = row.endAt
      placeRow(back, readDueFacts(chunk, row.stateAt, 0), chunk, at)
    }
  }
  finishPlacing(back)
  return back
}

/** What the records make, each by itself. */
function foldOn(state: PartitionState, records: readonly LogRecord[]): string[] {
  const folded = createFolded(state, records[0]!.offset, '')
  const one = createRecordFold(folded, place)
  return records.map(record => {
    for (let done = one.fold(record); !done; ) done = one.resume()
    const { batch } = folded
    forgetGathered(folded)
    return JSON.stringify(batch)
  })
}

function rowsOf(state: PartitionState): string[] {
  return Array.from(
    state.users.values(),
    user => `${user.id} ${user.version} ${snapshotUser(user)}`,
  ).sort()
}

describe('a partition that was read back', () => {
  const records = shopRecords()
  for (const stop of [1_000, 1_499, 2_100, 2_700, 3_300, 3_900, 4_500, 5_100])
    test(`goes on at record ${stop} as if it had not stopped`, () => {
      const state = createState('default')
      foldOn(state, records.slice(0, stop))
      const back = readBack(state)
      assert.equal(back.users.size, state.users.size)
      const [wanted, found] = [state, back].map(one => foldOn(one, records.slice(stop)))
      assert.ok(wanted!.join('').length > 100_000, 'the rest of the log has effects')
      for (const [at, effects] of wanted!.entries())
        assert.equal(found![at], effects, `record ${stop + at}`)
      assert.equal(back.users.size, state.users.size)
      assert.deepEqual(rowsOf(back), rowsOf(state))
      assert.equal(snapshotPartition(back), snapshotPartition(state))
    })

  test('has every user as he is: who changes is written', () => {
    const state = createState('default')
    const folded = createFolded(state, 0, '')
    const one = createRecordFold(folded, place)
    const written = new Map<string, string>()
    for (const record of records) {
      for (let done = one.fold(record); !done; ) done = one.resume()
      gatherUsers(folded)
      for (const user of folded.users) written.set(user.id, snapshotUser(user))
      forgetGathered(folded)
    }
    for (const user of state.users.values())
      assert.equal(written.get(user.id), snapshotUser(user), user.id)
  })

  test('writes who waited under a rule that goes', () => {
    const state = createState('default')
    const user = createUser('ada')
    state.users.set(user.id, user)
    const waiting = { sinceMs: 1, kind: 'activity', recordedMs: -1, dueMs: 2, version: 1 } as const
    const never = { cancelled: false, firedDueMs: Number.NaN, coolDueMs: Number.NaN }
    user.episodes.set('quiet', { ...waiting, ...never, subjectMs: 3 })
    cancelSilences(state, { id: 'quiet' } as Rule)
    assert.deepEqual(state.dirty, [user])
    assert.match(snapshotUser(user), /null\]\]\]$/)
  })

  test('finds each of very many users, and nobody else', () => {
    const random = seeded(11)
    const state = createState('default')
    for (let nth = 0; nth < 5_000; nth++) {
      const user = createUser(`${'é'.repeat(nth % 3)}${Math.floor(random() * 1e9)} ${nth}`)
      user.clicks = nth
      state.users.set(user.id, user)
    }
    const back = readBack(state)
    assert.equal(back.users.get('nobody'), undefined)
    for (const user of [...state.users.values()].reverse()) {
      assert.equal(back.users.get(user.id)?.clicks, user.clicks)
      assert.equal(back.users.get(user.id), back.users.get(user.id), 'one object each')
      if (user.clicks % 2) back.users.delete(user.id)
      if (user.clicks % 2) assert.equal(back.users.get(user.id), undefined)
    }
    assert.equal(back.users.size, 2_500)
    assert.equal([...back.users.values()].length, 2_500)
  })

  test('an erased user who comes again is a new one, though the heaps still have the old', () => {
    const state = createState('default')
    foldOn(state, records.slice(0, 1_000))
    const back = readBack(state)
    const erased = state.users.get('user 7')!
    assert.ok(erased.timerKeyMs < Number.POSITIVE_INFINITY)
    back.users.delete('user 7')
    const again = createUser('user 7')
    back.users.set('user 7', again)
    assert.equal(back.users.get('user 7'), again)
    assert.equal(back.users.size, state.users.size)
  })
})

describe('a session too long for its row', () => {
  const engine = temporaryEngine()
  after(() => engine.remove())
  const clicks = idsInRowMax + 8
  const event = (nth: number) => ({
    ...{ userId: 'long', event: 'x', messageId: `m${nth}` },
    ...{ timestamp: shopStartMs + nth * 1000, receivedAt: shopStartMs + nth * 1000 },
  })

  test('has the ids that its row knows of, and none of a click behind it', async () => {
    let nowMs = shopStartMs
    const log = openMemoryLog({ clock: () => nowMs })
    await makeTopics(log, 1)
    for (let nth = 0; nth < clicks; nth++) {
      nowMs = shopStartMs + nth * 1000
      const value = Buffer.from(JSON.stringify(event(nth)))
      await log.append('clicks', 0, [{ key: 'long', value }])
    }
    const store = await engine.open()
    await migrate(store)
    // The last flush comes with time.
    const alive = setInterval(() => {}, 1000)
    await foldAll(log, store)
    clearInterval(alive)
    // As a crash leaves it: a click is in the tables, its user's row is not.
    await store.command(
      `INSERT INTO clicks SELECT c.* REPLACE ('behind' AS event_id, ${clicks} AS offset)
       FROM clicks AS c FINAL WHERE c.event_id = 'm${clicks - 1}'`,
    )
    const source = { log, store, topic: 'clicks', partitions: 1, project: 'default' }
    const { state } = await restore(source, place)
    const { ids } = state.users.get('long')!.open[0]!
    const expected = Array.from({ length: clicks }, (_, nth) => idHash(`m${nth}`))
    assert.deepEqual(ids, expected)
    await store.close()
  })
})

describe('the row of a user', () => {
  const session = {
    ...{ id: 's "quoted" \\', openOffset: -(2 ** 40), part: 2, cutMs: shopStartMs - 5 },
    ...{
      startMs: shopStartMs - 7,
      endMs: shopStartMs,
      clicks: 2,
      firstEvent: '',
      lastEvent: '頁\n',
    },
    ...{ valueMinor: 12.5, gapMs: 1_800_000, ids: [9_007_199_254_740_991, 5], beforeCut: [5] },
  }
  const full: User = {
    ...createUser('user'),
    ...{
      closedUntilMs: -1,
      clicks: 3,
      sessionMsSum: 2 ** 60,
      lastEvent: '\ud83e\udd86\u0000',
      bounces: 1e21,
    },
    ...{
      firstSeenMs: shopStartMs,
      purchaseDays: [1, 2],
      segments: ['a,]', ''],
      scores: { 'x"': 0.1 },
    },
    ...{ days: { newest: 20_458, bits0: -(2 ** 31), bits1: 1, bits2: 0 }, activityHigh: true },
    dayCounts: [{ day: 1, clicks: 2, orders: 3, valueMinor: -4, refundsMinor: 5 }],
    ledger: [{ key: 'o]"', order: true, timeMs: 1.5, amountMinor: -7, refunds: ['r\\', 'ü'] }],
    open: [session],
  }
  full.episodes.set('rule', {
    ...{ sinceMs: Number.NaN, kind: 'purchase', recordedMs: -1, dueMs: 5, version: 2 },
    ...{ cancelled: true, firedDueMs: 7, coolDueMs: Number.NaN, subjectMs: 9 },
  })

  test('says all of him', () => {
    const back = restoreUser('user', snapshotUser(full), full.version)
    assert.deepEqual(back, { ...full, open: [{ ...session, ids: [5, 9_007_199_254_740_991] }] })
    const none = createUser('none')
    assert.deepEqual(restoreUser('none', snapshotUser(none), -1), none)
  })

  test('leaves out the ids of a long session, and says so first', () => {
    const long = { ...session, clicks: idsInRowMax + 1, ids: Array(idsInRowMax + 1).fill(1) }
    const row = snapshotUser({ ...full, open: [session, long] })
    assert.ok(row.startsWith('[1,'))
    assert.ok(snapshotUser(full).startsWith('[0,'))
    assert.deepEqual(
      restoreUser('user', row, 0).open.map(({ ids }) => ids.length),
      [2, 0],
    )
  })

  test('of an earlier Ebb is read too', () => {
    const { open, episodes, id, closeKeyMs, timerKeyMs, version, dirty, erased, ...facts } = full
    const { ids, ...rest } = session
    const keyed = { ...facts, open: [rest], episodes: [...episodes] }
    const back = restoreUser('user', JSON.stringify(keyed), version)
    assert.deepEqual(back, { ...full, open: [{ ...session, ids: [] }] })
  })
})
