/** Users are audited a range of slots at a time, so that what a query holds in memory stays bounded. */
import { slotCount } from '../base/slot.ts'
import { quoted } from '../store/rows.ts'
import type { Clockwork } from './clockwork.ts'
import {
  type AuditSource,
  lowestMs,
  orderOf,
  type PartitionPoint,
  partitionArray,
} from './source.ts'

/** About so many clicks are looked at by one query. */
const clicksAtOnce = 400_000

export interface SlotRange {
  /** The first slot, and the one after the last. */
  readonly from: number
  readonly to: number
}

export async function slotRanges(source: AuditSource): Promise<SlotRange[]> {
  const [row] = await source.store.query<{ clicks: string }>('SELECT count() AS clicks FROM clicks')
  const ranges: SlotRange[] = []
  let size = slotCount
  while (size > 1 && (Number(row!.clicks) * size) / slotCount > clicksAtOnce) size /= 2
  for (let from = 0; from < slotCount; from += size) ranges.push({ from, to: from + size })
  return ranges
}

/** A user whose erasure is behind the points: his rows go table by table. */
export interface Erasing {
  readonly slot: number
  readonly user_hash: string
}

/** One look at one range: everything a check needs to write its SQL. */
export interface Look {
  readonly source: AuditSource
  readonly range: SlotRange
  readonly points: readonly PartitionPoint[]
  readonly erasing: readonly Erasing[]
  readonly clockwork: Clockwork
  /** Clicks before this event time may be gone from the table; -Infinity: all are kept. */
  readonly horizonMs: number
}

export function inRange({ range }: Look): string {
  return `slot >= ${range.from} AND slot < ${range.to}`
}

/** The partition of a row's user is this element of an array with one element a partition. */
export function ofPartition({ source }: Pick<Look, 'source'>, array: string): string {
  return `${array}[slot % ${source.partitions} + 1]`
}

/**
 * The first record of the row's partition that the tables need not hold, in the order over epochs; `otherwise` where
 * there is no point.
 */
function limit({ source, points }: Pick<Look, 'source' | 'points'>, otherwise = 0): string {
  const orderAt = ({ nextOffset }: PartitionPoint) => orderOf(source.epoch, nextOffset)
  const ends = partitionArray(source, points, orderAt, otherwise)
  return ofPartition({ source }, ends)
}

/** Few: an erasure ends its flush. Where there is no point all users count as moving anyway. */
export function readErasing(
  source: AuditSource,
  points: readonly PartitionPoint[],
): Promise<Erasing[]> {
  const behind = limit({ source, points }, Number.MAX_SAFE_INTEGER)
  return source.store.query<Erasing>(
    `SELECT DISTINCT slot, user_hash FROM erasures WHERE intDiv(version, 16) >= ${behind}`,
  )
}

/**
 * A query for the users that the processor is writing just now: some of their rows may be of a later moment
 * than others. They are left out, and audited the next time.
 */
export function movingUsers(look: Look): string {
  const rows = (table: string, order: string) =>
    `SELECT user_id FROM ${table} WHERE ${inRange(look)} AND ${order} >= ${limit(look)}`
  const ofVersion = ['sessions', 'users', 'user_days'].map(table =>
    rows(table, 'intDiv(version, 16)'),
  )
  return [rows('clicks', orderColumn), ...ofVersion, ...erasingUsers(look)].join(' UNION ALL ')
}

/** Nearly always there are none. */
function erasingUsers(look: Look): string[] {
  const { erasing } = look
  if (erasing.length === 0) return []
  const isOne = `lower(hex(SHA256(user_id))) IN (${erasing.map(one => quoted(one.user_hash)).join(', ')})`
  const slots = erasing.map(({ slot }) => slot).join(', ')
  const bySlot = ['clicks', 'sessions', 'users', 'user_days'].map(
    table =>
      `SELECT user_id FROM ${table} WHERE ${inRange(look)} AND slot IN (${slots}) AND ${isOne}`,
  )
  return [...bySlot, `SELECT user_id FROM rejects WHERE ${isOne}`]
}

const orderColumn = `(epoch * toUInt64(${2 ** 40}) + offset)`

/** The clicks of the range, with what the checks lean on: times in ms, their order, and the settings of their place. */
export function clicksQuery(look: Look): string {
  const { clockwork, horizonMs } = look
  const kept = Number.isFinite(horizonMs) ? `AND ts >= ${horizonMs}` : ''
  return `
    SELECT slot, user_id, event_id, type, name, verdict, purchase, amount, value, order_id, partition, epoch, offset,
           toUnixTimestamp64Milli(timestamp) AS ts,
           toUnixTimestamp64Milli(clock) AS clock_ms,
           ${orderColumn} AS ord,
           ${clockwork.regime} AS regime
    FROM clicks FINAL
    WHERE ${inRange(look)} AND user_id NOT IN (${movingUsers(look)}) ${kept}`
}

/**
 * A query for users with a click that was late first and accepted when it came again: the table has one row of
 * it, the days and the orders of the user know both.
 */
export function twiceQuery(look: Look): string {
  return `
    SELECT user_id FROM rejects AS r
    LEFT ANTI JOIN (SELECT epoch, partition, offset FROM clicks FINAL WHERE verdict = 'late' AND ${inRange(look)}) AS c
      ON r.epoch = c.epoch AND r.partition = c.partition AND r.offset = c.offset
    WHERE r.source = 'log' AND r.kind = 'late' AND r.user_id IN (SELECT user_id FROM users WHERE ${inRange(look)})`
}

/** Each accepted click with the session it belongs to by the gap alone: its number among the user's. */
export function islandClicksQuery(look: Look): string {
  const { clockwork } = look
  const { gapMs, gapMsMax, isSteady, shape } = clockwork
  const window =
    'OVER (PARTITION BY slot, user_id ORDER BY ts, ord ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)'
  const apart = `
    SELECT *, ts - lagInFrame(ts, 1, toInt64(${lowestMs})) ${window} AS apart_ms
    FROM (${clicksQuery(look)}) WHERE verdict = 'accepted'`
  const numbered = `
    SELECT *, sum(apart_ms > ${gapMs}) ${window} AS island, sum(apart_ms > ${gapMsMax}) ${window} AS stretch
    FROM (${apart})`
  // Where settings changed within a stretch, which of them a session has depends on the order of arrival.
  const inStretch = 'OVER (PARTITION BY slot, user_id, stretch)'
  const mixed = isSteady
    ? 'false'
    : `(min(${shape}) ${inStretch} = 0 OR min(${shape}) ${inStretch} != max(${shape}) ${inStretch})`
  return `SELECT *, ${mixed} AS is_mixed FROM (${numbered})`
}
