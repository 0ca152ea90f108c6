/**
 * The tables of the outbox. A delivery is one message to one endpoint; its row of the highest attempt, or the one of
 * its end, says how it stands: pending (attempt 0) and failed ones go on, all others are at their end. A row is replaced
 * only by a higher version of itself.
 */
import { isWaitedFor } from '../base/errors.ts'
import { after, pause, steadyClock } from '../base/time.ts'
import { readTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'

export type DeliveryStatus = 'pending' | 'delivered' | 'failed' | 'dead' | 'stale' | 'cancelled'

export interface DeliveryRow {
  readonly message_id: string
  readonly endpoint_id: string
  readonly attempt: number
  readonly user_id: string
  readonly alert_id: string
  readonly status: DeliveryStatus
  readonly code: number
  readonly error: string
  readonly duration_ms: number
  /** Of the attempt's beginning; for attempt 0, when the delivery came to be. Project clock, as next_at. */
  readonly at: number
  /** Non-null exactly while another attempt is to come. */
  readonly next_at: number | null
  readonly version: number
  /** Where in the clicks the record stands that made the alert. */
  readonly epoch: number
  readonly offset: number
}

type Stored = Omit<DeliveryRow, 'at' | 'next_at' | 'version' | 'offset'> & {
  readonly at: string
  readonly next_at: string | null
  readonly version: string
  readonly offset: string
}

export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Ids in one query: far below the limit of a query's text. */
const idsMax = 1000
const retryDelayMs = 1_000
/** Of what somebody has to mend first. */
const mendedDelayMs = 30_000

function rowOf(stored: Stored): DeliveryRow {
  return {
    ...stored,
    at: readTime(stored.at),
    next_at: stored.next_at === null ? null : readTime(stored.next_at),
    version: Number(stored.version),
    offset: Number(stored.offset),
  }
}

async function inSlices<Row>(
  ids: readonly string[],
  query: (slice: readonly string[]) => Promise<Row[]>,
): Promise<Row[]> {
  const rows: Row[] = []
  for (let at = 0; at < ids.length; at += idsMax)
    rows.push(...(await query(ids.slice(at, at + idsMax))))
  return rows
}

/**
 * Of the rows of a delivery the one that says how it stands. What was delivered is delivered, and what has ended has
 * ended, though a process that had lost its partition writes later of an attempt that failed.
 */
export const latest =
  "ORDER BY status = 'delivered' DESC, next_at IS NULL DESC, attempt DESC, version DESC LIMIT 1 BY message_id, endpoint_id"

/** How the deliveries of these messages stand, by message id. */
export async function deliveriesOf(
  store: Store,
  messageIds: readonly string[],
): Promise<Map<string, DeliveryRow[]>> {
  const rows = await inSlices(messageIds, ids =>
    store.query<Stored>(
      `SELECT * FROM deliveries WHERE message_id IN {ids:Array(String)} ${latest}`,
      { ids },
    ),
  )
  return Map.groupBy(rows.map(rowOf), row => row.message_id)
}

/** All deliveries that go on, by what is stored. */
export async function openDeliveries(store: Store): Promise<DeliveryRow[]> {
  const rows = await store.query<Stored>(
    `SELECT * FROM (SELECT * FROM deliveries ${latest}) WHERE next_at IS NOT NULL`,
  )
  return rows.map(rowOf)
}

/** How often each message of these alerts was tried at each endpoint. */
export function attemptsOf(store: Store, alertIds: readonly string[]) {
  return inSlices(alertIds, ids =>
    store.query<Pick<DeliveryRow, 'alert_id' | 'endpoint_id' | 'message_id' | 'attempt'>>(
      `SELECT alert_id, endpoint_id, message_id, max(attempt) AS attempt FROM deliveries
       WHERE alert_id IN {ids:Array(String)} GROUP BY alert_id, endpoint_id, message_id`,
      { ids },
    ),
  )
}

/** Tries until it works: it passes, or somebody mends the cause. Not beyond a stop. */
export async function persist<Result>(
  task: () => Promise<Result>,
  options: { readonly logger: Logger; readonly stopped: AbortSignal },
): Promise<Result> {
  for (;;) {
    try {
      return await task()
    } catch (error) {
      if (!isWaitedFor(error) || options.stopped.aborted) throw error
      options.logger.warn({ code: error.code }, 'The store refused the webhooks; trying again.')
      await pause(error.retriable ? retryDelayMs : mendedDelayMs, options.stopped)
    }
  }
}

/** Inserts begin at least so far apart: each costs ClickHouse about the same, whatever is in it. */
const insertMsMin = 200

/** Stores rows: what comes while an insert is under way, or soon after one, goes together in the next one. */
export function createRowWriter(
  store: Store,
  options: { readonly logger: Logger; readonly stopped: AbortSignal },
): (rows: readonly DeliveryRow[]) => Promise<void> {
  let queued: { rows: readonly DeliveryRow[]; stored: PromiseWithResolvers<void> }[] = []
  let writing = false
  let begunAtMs = Number.NEGATIVE_INFINITY

  async function writeAll(): Promise<void> {
    writing = true
    while (queued.length > 0) {
      const waitMs = begunAtMs + insertMsMin - steadyClock()
      if (waitMs > 0) await new Promise<void>(resolve => after(waitMs, resolve))
      begunAtMs = steadyClock()
      const group = queued
      queued = []
      const rows = group.flatMap(entry => entry.rows)
      try {
        await persist(() => store.insert('deliveries', rows), options)
        for (const { stored } of group) stored.resolve()
      } catch (error) {
        for (const { stored } of group) stored.reject(error)
      }
    }
    writing = false
  }

  return rows => {
    if (rows.length === 0) return Promise.resolve()
    const stored = Promise.withResolvers<void>()
    queued.push({ rows, stored })
    if (!writing) void writeAll()
    return stored.promise
  }
}
