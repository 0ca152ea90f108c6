/** What waits of one partition, between the feed that fetches it and the owner that takes it. */
import { steadyClock } from '../../base/time.ts'
import { bell } from '../bell.ts'
import type { LogRecord } from '../log.ts'
import { recordBytes } from '../storage.ts'

/** A partition with this much waiting is not asked for. */
const waitingBytesMax = 1024 * 1024
/** What an owner gets at once, at most; a single larger record comes alone. */
const ownBytesMax = 1024 * 1024
const ownRecordsMax = 5000

export interface Source {
  readonly partition: number
  /** The next records; null after `stop`. Throws when the partition cannot go on. */
  next(): Promise<readonly LogRecord[] | null>
  /** As of the last answer: the offset of the next append. */
  readonly endOffset: number
  /** When a broker last answered for it, by the steady clock. */
  readonly answeredAtMs: number
  /** When it was asked for first of the times that no broker has answered, by the steady clock. */
  readonly unansweredSinceMs: number | null
  /** Until when the owner had all that was on the log, as far as is known, and waited for more. */
  readonly caughtUpAtMs: number
  readonly stopped: boolean
  stop(): void
}

export interface Place extends Source {
  /** To be asked for next: behind what waits. */
  readonly nextOffset: number
  /** A request for it is under way. */
  asked: boolean
  unansweredSinceMs: number | null
  wantsMore(): boolean
  take(records: readonly LogRecord[], endOffset: number): void
  /** What waits is given out first. */
  fail(error: Error): void
}

interface PlaceOptions {
  readonly partition: number
  readonly offset: number
  readonly stopped: () => void
  /** Something was taken out. */
  readonly roomMade: () => void
}

export function newPlace({ partition, offset, stopped, roomMade }: PlaceOptions): Place {
  const arrival = bell()
  let waiting: LogRecord[] = []
  let waitingBytes = 0
  let failure: Error | null = null
  let ownerWaits = false
  const place = {
    partition,
    nextOffset: offset,
    endOffset: offset,
    answeredAtMs: steadyClock(),
    unansweredSinceMs: null as number | null,
    caughtUpAtMs: steadyClock(),
    stopped: false,
    asked: false,
    wantsMore: () => !place.asked && !failure && waitingBytes < waitingBytesMax,
    take(records: readonly LogRecord[], endOffset: number) {
      place.answeredAtMs = steadyClock()
      if (ownerWaits && place.nextOffset >= place.endOffset) place.caughtUpAtMs = place.answeredAtMs
      place.endOffset = endOffset
      if (records.length === 0) return
      place.nextOffset += records.length
      for (const record of records) waitingBytes += recordBytes(record)
      waiting = waiting.concat(records)
      arrival.ring()
    },
    fail(error: Error) {
      failure = error
      arrival.ring()
    },
    async next() {
      ownerWaits = true
      while (!place.stopped && !failure && waiting.length === 0) await arrival.next()
      ownerWaits = false
      if (place.stopped) return null
      if (waiting.length === 0) throw failure
      const { length, sizeBytes } = ownBatch(waiting)
      const batch = waiting.slice(0, length)
      waiting = waiting.slice(length)
      waitingBytes -= sizeBytes
      roomMade()
      return batch
    },
    stop() {
      place.stopped = true
      stopped()
      arrival.ring()
    },
  }
  return place
}

function ownBatch(waiting: readonly LogRecord[]): { length: number; sizeBytes: number } {
  let sizeBytes = 0
  let length = 0
  for (const record of waiting) {
    const bytes = recordBytes(record)
    if (length > 0 && (sizeBytes + bytes > ownBytesMax || length === ownRecordsMax)) break
    sizeBytes += bytes
    length++
  }
  return { length, sizeBytes }
}
