/** What is refused at the door, kept in the table `rejects` where one can look; intake never waits for it. */
import { EbbError } from '../base/errors.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { DoorReject } from './door-reject.ts'
import type { DoorLogger } from './outlet.ts'

export interface RejectWriter {
  reject(row: DoorReject): void
  /** Rows that are in no table: there was no room for them, or ClickHouse would never take them. */
  dropped(): number
  /** Writes what it holds, trying once, and takes no more time. */
  stop(): Promise<void>
}

export interface RejectWriterOptions {
  readonly store: Pick<Store, 'insert'>
  readonly logger: DoorLogger
  /** Real time, whatever the project's clock is: it makes the row's place differ from those of earlier runs. */
  readonly startedAtMs: number
  /** Below 2^16, by chance: it makes the row's place differ from those of collectors that were started with this one. */
  readonly writer: number
  readonly every: (periodMs: number, run: () => void) => () => void
}

const keptBytesMax = 64 * 1024
const flushPeriodMs = 1_000
const flushRows = 1_000
/** Beyond these, which ClickHouse must be down to reach, new rows are dropped and counted. */
export const heldRowsMax = 20_000
export const heldBytesMax = 32 * 1024 * 1024

interface Held {
  readonly row: object
  readonly bytes: number
}

export function rejectWriter(options: RejectWriterOptions): RejectWriter {
  const { store, logger, startedAtMs, writer } = options
  let held: Held[] = []
  let heldBytes = 0
  let droppedRows = 0
  let writtenRows = 0
  /** Non-null exactly while an insert is running. */
  let flushing: Promise<void> | null = null

  let failing = false

  function drop(rows: number, err: unknown): void {
    droppedRows += rows
    logger.error({ err, rows }, 'rejected events could not be kept')
  }

  function reject(rejected: DoorReject): void {
    // 1000 a ms would have to be rejected, from start to restart, for a place to come twice.
    const offset = startedAtMs * 1000 + writtenRows
    const text = beginning(rejected.text)
    const bytes = text.length + 512
    if (held.length >= heldRowsMax || heldBytes + bytes > heldBytesMax) {
      droppedRows += 1
      return
    }
    writtenRows += 1
    held.push({ row: rowOf(rejected, writer, offset, text), bytes })
    heldBytes += bytes
    if (held.length >= flushRows) void flush()
  }

  /** The same rows go again after a failure: their places make a second copy harmless. */
  async function insert(): Promise<void> {
    const batch = held.slice(0, flushRows)
    try {
      await store.insert(
        'rejects',
        batch.map(one => one.row),
      )
      failing = false
    } catch (error) {
      if (error instanceof EbbError && error.retriable) {
        if (!failing) logger.warn({ err: error }, 'rejected events wait for ClickHouse')
        failing = true
        return
      }
      drop(batch.length, error)
    }
    held = held.slice(batch.length)
    for (const one of batch) heldBytes -= one.bytes
  }

  async function flush(): Promise<void> {
    if (held.length === 0) return
    flushing ??= insert().finally(() => {
      flushing = null
    })
    await flushing
  }

  const cancel = options.every(flushPeriodMs, () => void flush())

  async function stop(): Promise<void> {
    cancel()
    await flushing
    for (let before = held.length + 1; held.length > 0 && held.length < before; ) {
      before = held.length
      await flush()
    }
    if (held.length > 0) drop(held.length, new Error('ClickHouse did not take them before the end'))
  }

  return { reject, dropped: () => droppedRows, stop }
}

function rowOf(rejected: DoorReject, writer: number, offset: number, text: string): object {
  return {
    source: 'collector',
    epoch: 0,
    partition: writer,
    offset,
    index: rejected.index,
    kind: 'dead',
    reason: rejected.reason,
    detail: rejected.detail.toWellFormed(),
    user_id: rejected.userId.toWellFormed(),
    event_id: rejected.eventId.toWellFormed(),
    timestamp: rejected.timestampMs === null ? null : rowTime(rejected.timestampMs),
    bytes: text,
    clock: rowTime(rejected.clockMs),
  }
}

/** At most keptBytesMax, cut between characters: ClickHouse takes no broken ones in JSON. */
function beginning(text: string): string {
  const whole = Buffer.from(text)
  if (whole.length <= keptBytesMax) return text.toWellFormed()
  let end = keptBytesMax
  while ((whole[end]! & 0xc0) === 0x80) end--
  return whole.toString('utf8', 0, end)
}
