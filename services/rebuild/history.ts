/**
 * What a new topic is to hold, as a table beside its tables: one row a record, in the order of the log, so that an
 * append that was cut short goes on by counting. ClickHouse does the sorting and the matching; nothing is kept here.
 *
 *   round 0  rules and settings, as broadcast
 *   round 1  clicks of the tables up to the points, and of files: by the clock that judged them, or their own time
 *   round 2  clicks and erasures of the old epoch behind the points, in the order of its log
 *   round 3  what was changed meanwhile, what was told of users, and Live
 */
import { slotCount } from '../base/slot.ts'
import { encodeRecord } from '../log/codec.ts'
import type { NewRecord } from '../log/log.ts'
import type { ClickType } from '../log/record.ts'
import { risenRowsSql } from '../processor/erasures.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Tables } from './shadow.ts'

export const historyTables = ['history', 'incoming'] as const

/** In round 1 the clicks of files stand behind those of the tables that were judged at the same moment. */
const fileEpoch = 65_535

/** `at`, epoch and offset are the order within a round, each once in a partition. `record`: as it is appended, in base64. */
const orderColumns = 'partition UInt16, round UInt8, at UInt64, epoch UInt16, offset UInt64'

/** Empty, whatever a rebuild before left there. */
export async function makeHistory({ shadow, next }: Tables): Promise<void> {
  for (const name of historyTables)
    await shadow.command(`DROP TABLE IF EXISTS ${next}.${name} SYNC`)
  await shadow.command(`CREATE TABLE ${next}.history
    (${orderColumns}, record String CODEC(ZSTD), clock DateTime64(3, 'UTC'), user_id String, event_id String,
     timestamp DateTime64(3, 'UTC'), type LowCardinality(String), name LowCardinality(String),
     anonymous_id Nullable(String), received_at DateTime64(3, 'UTC'), url Nullable(String), referrer Nullable(String),
     value Nullable(Float64), currency LowCardinality(Nullable(String)), order_id Nullable(String),
     properties String CODEC(ZSTD), context String CODEC(ZSTD), imported Bool)
    ENGINE = MergeTree PARTITION BY round ORDER BY (partition, round, at, epoch, offset)`)
  await shadow.command(`CREATE TABLE ${next}.incoming
    (slot UInt16, partition UInt16, at UInt64, offset UInt64, user_id String, event_id String, record String CODEC(ZSTD))
    ENGINE = ReplacingMergeTree ORDER BY (slot, user_id, offset)`)
}

/** A record that is appended as it is, at that place of its round. */
export interface HistoryRecord {
  readonly partition: number
  readonly round: 0 | 3
  readonly offset: number
  readonly userId: string | null
  readonly value: Buffer
}

export async function addRecords(
  { shadow }: Tables,
  records: readonly HistoryRecord[],
): Promise<void> {
  const rows = records.map(({ partition, round, offset, userId, value }) => ({
    ...{ partition, round, at: 0, epoch: 0, offset },
    user_id: userId ?? '',
    record: value.toString('base64'),
  }))
  await shadow.insert('history', rows)
}

/** What a step that is repeated had put there before. */
export async function clearRounds(
  { shadow, next }: Tables,
  rounds: readonly number[],
): Promise<void> {
  for (const round of rounds)
    await shadow.command(`ALTER TABLE ${next}.history DROP PARTITION ${round}`)
}

/** A click of a file. `order` is its place among all of them. */
export interface IncomingClick {
  readonly slot: number
  readonly partition: number
  readonly order: number
  readonly timestampMs: number
  readonly userId: string
  readonly eventId: string
  /** As it is appended, in base64. */
  readonly record: string
}

export async function addIncoming(shadow: Store, clicks: readonly IncomingClick[]): Promise<void> {
  const rows = clicks.map(({ slot, partition, order, timestampMs, userId, eventId, record }) => ({
    ...{ slot, partition, record },
    at: rowTime(timestampMs),
    offset: order,
    user_id: userId,
    event_id: eventId,
  }))
  await shadow.insert('incoming', rows)
}

/** Where the clicks of erased users stood that no sweep has deleted yet: in the new epoch none would. */
const risenPlaces = (table: 'clicks' | 'rejects') =>
  risenRowsSql(table, ['epoch', 'partition', 'offset'])

/** About so many clicks are matched by one query. */
const clicksAtOnce = 1_000_000

/** The clicks of files into round 1, without those whose user and id the project knows; resolves to how many that were. */
export async function takeIncoming({ store, shadow, present, next }: Tables): Promise<number> {
  const [known] = await store.query<{ count: string }>(
    `SELECT count() AS count FROM ${present}.clicks`,
  )
  const ranges = Math.min(slotCount, Math.ceil(Number(known!.count) / clicksAtOnce) || 1)
  for (let range = 0; range < ranges; range++) {
    const from = Math.floor((range * slotCount) / ranges)
    const to = Math.floor(((range + 1) * slotCount) / ranges)
    await store.command(
      `INSERT INTO ${next}.history (partition, round, at, epoch, offset, record, user_id, event_id)
       SELECT partition, 1, at, ${fileEpoch}, offset, record, user_id, event_id
       FROM ${next}.incoming FINAL
       WHERE slot >= {from:UInt16} AND slot < {to:UInt16} AND (user_id, event_id) NOT IN
         (SELECT user_id, event_id FROM ${present}.clicks
          WHERE slot >= {from:UInt16} AND slot < {to:UInt16} AND (epoch, partition, offset) NOT IN
            (${risenPlaces('clicks')} AND t.slot >= {from:UInt16} AND t.slot < {to:UInt16}))`,
      { from, to },
    )
  }
  const [row] = await shadow.query<{ twice: string }>(
    `SELECT (SELECT count() FROM ${next}.incoming FINAL)
          - (SELECT count() FROM ${next}.history WHERE round = 1 AND epoch = ${fileEpoch}) AS twice`,
  )
  return Number(row!.twice)
}

const clickColumns =
  'user_id, event_id, timestamp, type, name, anonymous_id, received_at, url, referrer, value, currency, order_id, properties, context, imported'

/** Of the old epoch, and of those before it. */
export interface Taken {
  readonly epoch: number
  /** By its partitions. */
  readonly points: readonly number[]
  /** Of the new topic. */
  readonly partitions: number
}

/**
 * The clicks that stand before the points (round 1) or behind them (round 2), each where its record stood. A late click
 * whose identity has another row in `clicks` left its place in `rejects`, and is as that one is.
 */
export async function takeClicks(
  { store, present, next }: Tables,
  round: 1 | 2,
  { epoch, points, partitions }: Taken,
): Promise<void> {
  const point = 'toUInt64OrZero(arrayElement({points:Array(String)}, partition + 1))'
  const condition =
    round === 1
      ? `(epoch < {epoch:UInt16} OR (epoch = {epoch:UInt16} AND offset < ${point}))`
      : `(epoch = {epoch:UInt16} AND offset >= ${point})`
  const at = round === 1 ? 'toUnixTimestamp64Milli(clock)' : '0'
  const params = { epoch, partitions, points: points.map(String) }
  const columns = `partition, round, at, epoch, offset, clock, ${clickColumns}`
  const place = (of: string) => `epoch, offset, clock, slot % {partitions:UInt16} AS target, ${of}`
  const into = (from: string) => `
    INSERT INTO ${next}.history (${columns})
    SELECT target, ${round}, ${at}, epoch, offset, clock, ${clickColumns} FROM (${from})`
  await store.command(
    into(`
      SELECT ${place(clickColumns)} FROM ${present}.clicks FINAL
      WHERE ${condition} AND (epoch, partition, offset) NOT IN (${risenPlaces('clicks')})`),
    params,
  )
  const others = clickColumns.replace('user_id, event_id, timestamp, ', '')
  await store.command(
    into(`
      SELECT r.epoch AS epoch, r.offset AS offset, r.clock AS clock, c.slot % {partitions:UInt16} AS target,
             c.user_id AS user_id, c.event_id AS event_id, c.timestamp AS timestamp, ${others}
      FROM (
        SELECT epoch, partition, offset, clock, user_id, event_id, timestamp
        FROM ${present}.rejects FINAL
        WHERE source = 'log' AND kind IN ('late', 'aside') AND ${condition}
          AND (epoch, partition, offset) NOT IN (${risenPlaces('rejects')})
          AND (epoch, partition, offset) NOT IN
            (SELECT epoch, partition, offset FROM ${present}.clicks FINAL WHERE verdict != 'accepted')
      ) AS r
      INNER JOIN (
        SELECT * FROM ${present}.clicks FINAL
        WHERE user_id IN (SELECT user_id FROM ${present}.rejects WHERE source = 'log' AND kind IN ('late', 'aside'))
      ) AS c ON c.user_id = r.user_id AND c.event_id = r.event_id AND c.timestamp = assumeNotNull(r.timestamp)`),
    params,
  )
}

/** Erasures behind the points, each at its place, as records (round 2) of which a second copy is known. */
export async function takeErasures(
  { store, shadow, present, next }: Tables,
  { epoch, points, partitions }: Taken,
): Promise<void> {
  const rows = await store.query<{ user_id: string; target: number; offset: string }>(
    `SELECT DISTINCT h.user_id AS user_id, e.slot % {partitions:UInt16} AS target, e.offset AS offset
     FROM (SELECT * FROM ${present}.erasures FINAL
           WHERE epoch = {epoch:UInt16}
             AND offset >= toUInt64OrZero(arrayElement({points:Array(String)}, partition + 1))) AS e
     INNER JOIN (SELECT DISTINCT user_id FROM ${next}.history) AS h
       ON lower(hex(SHA256(h.user_id))) = e.user_hash`,
    { epoch, partitions, points: points.map(String) },
  )
  const erased = rows.map(({ user_id: userId, target, offset: at }) => {
    const offset = Number(at)
    const erase = encodeRecord({ kind: 'carriedErase', userId, epoch, offset })
    return {
      ...{ partition: Number(target), round: 2, at: 0, epoch, offset, user_id: userId },
      record: erase.toString('base64'),
    }
  })
  await shadow.insert('history', erased)
}

/** By partition: how many there are in the rounds below that one. */
export async function countRecords({ shadow }: Tables, below: number): Promise<number[]> {
  const rows = await shadow.query<{ partition: number; count: string }>(
    'SELECT partition, count() AS count FROM history WHERE round < {below:UInt8} GROUP BY partition',
    { below },
  )
  const counts: number[] = []
  for (const { partition, count } of rows) counts[Number(partition)] = Number(count)
  return counts
}

interface HistoryRow {
  readonly round: number
  readonly at: string
  readonly epoch: number
  readonly offset: string
  readonly record: string
  readonly clock: string
  readonly user_id: string
  readonly event_id: string
  readonly time: string
  readonly type: ClickType
  readonly name: string
  readonly anonymous_id: string | null
  readonly received: string
  readonly url: string | null
  readonly referrer: string | null
  readonly value: number | null
  readonly currency: string | null
  readonly order_id: string | null
  readonly properties: string
  readonly context: string
  readonly imported: boolean
}

const pageRows = 2_000
const pageBytesMax = 1024 * 1024

/** The records of a partition from that one on, in order, in pieces that one append takes. */
export async function* recordsOf(
  { shadow }: Tables,
  partition: number,
  position: number,
): AsyncGenerator<NewRecord[]> {
  let last: HistoryRow | undefined
  for (;;) {
    const behind =
      'AND (round, at, epoch, offset) > ({round:UInt8}, {at:UInt64}, {epoch:UInt16}, {offset:UInt64})'
    const { round = 0, at = '0', epoch = 0, offset = '0' } = last ?? {}
    const rows: HistoryRow[] = await shadow.query<HistoryRow>(
      `SELECT round, at, epoch, offset, record, toUnixTimestamp64Milli(clock) AS clock, user_id, event_id,
              toUnixTimestamp64Milli(timestamp) AS time, type, name, anonymous_id,
              toUnixTimestamp64Milli(received_at) AS received, url, referrer, value, currency, order_id,
              properties, context, imported
       FROM history WHERE partition = {partition:UInt16} ${last ? behind : ''}
       ORDER BY partition, round, at, epoch, offset
       LIMIT ${pageRows} OFFSET {skip:UInt64}`,
      { partition, skip: last ? 0 : position, ...(last && { round, at, epoch, offset }) },
    )
    yield* inPieces(rows.map(recordOf))
    if (rows.length < pageRows) return
    last = rows.at(-1)!
  }
}

function* inPieces(records: readonly NewRecord[]): Generator<NewRecord[]> {
  let piece: NewRecord[] = []
  let bytes = 0
  for (const record of records) {
    piece.push(record)
    bytes += record.value!.length
    if (bytes < pageBytesMax) continue
    yield piece
    piece = []
    bytes = 0
  }
  if (piece.length > 0) yield piece
}

function recordOf(row: HistoryRow): NewRecord {
  const key = row.user_id === '' ? null : row.user_id
  if (row.record !== '') return { key, value: Buffer.from(row.record, 'base64') }
  const { type, name, url, referrer, value, currency, properties, context, imported } = row
  const click = {
    ...({
      kind: 'click',
      type,
      name,
      url,
      referrer,
      value,
      currency,
      properties,
      context,
      imported,
    } as const),
    eventId: row.event_id,
    userId: row.user_id,
    anonymousId: row.anonymous_id,
    timestampMs: Number(row.time),
    receivedAtMs: Number(row.received),
    orderId: row.order_id,
    judgedMs: Number(row.clock),
  }
  return { key, value: encodeRecord(click) }
}
