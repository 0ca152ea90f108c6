/** What is said in `rejects` of an event, or of a whole request that could not be read as events. */
import type { Dead } from '../log/record.ts'
import { isObject, parseTime } from '../log/segment.ts'

export interface DoorReject {
  /** Place within the batch, else 0. */
  readonly index: number
  readonly reason: string
  /** A sentence. */
  readonly detail: string
  /** Empty where it has none that is usable. */
  readonly userId: string
  readonly eventId: string
  readonly timestampMs: number | null
  /** What came, whole. */
  readonly text: string
  readonly clockMs: number
}

export function eventReject(
  index: number,
  event: unknown,
  dead: Dead,
  clockMs: number,
): DoorReject {
  const fields = isObject(event) ? event : {}
  // Seconds are no time in ms, though they would pass for one of 1970.
  const timestampMs = dead.reason === 'seconds' ? Number.NaN : parseTime(fields.timestamp)
  return {
    index,
    reason: dead.reason,
    detail: dead.detail,
    userId: shortText(fields.userId) || shortText(fields.anonymousId),
    eventId: shortText(fields.messageId),
    timestampMs: Number.isNaN(timestampMs) ? null : timestampMs,
    text: jsonText(event),
    clockMs,
  }
}

export function requestReject(
  reason: string,
  detail: string,
  text: string,
  clockMs: number,
): DoorReject {
  return { index: 0, reason, detail, userId: '', eventId: '', timestampMs: null, text, clockMs }
}

const shortCharactersMax = 256

function shortText(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, shortCharactersMax) : ''
}

/** JSON is read to any depth, but not written: of what is too deep for the stack nothing is kept. */
function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (error instanceof RangeError) return ''
    throw error
  }
}
