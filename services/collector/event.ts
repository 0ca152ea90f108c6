/** One event as a tracker sends it, into a Click: the bounds of the door, then the clock rule, then Segment's shape. */
import { parseIsoTime } from '../base/timestamp.ts'
import type { Click, ClickType, Dead } from '../log/record.ts'
import { isObject, parseSegment, parseTime } from '../log/segment.ts'

/** Of one event, as JSON. */
export const eventBytesMax = 64 * 1024
/** An event is depth 1. */
const depthMax = 16
/** Of one object within an event. */
const keysMax = 256
/** A tracker's clock may be this far ahead of ours before its events count as sent now. */
const skewMs = 5 * 60_000
/** 1973 in ms; no tracker is that old, so a smaller number is epoch seconds. */
const secondsBelow = 100_000_000_000
/** Not because they could do harm here, but because somebody downstream will merge objects. */
const forbiddenKeys = ['__proto__', 'constructor']

/** What is known of an event beside itself. */
export interface Arrival {
  readonly receivedAtMs: number
  /** From the path; null in a batch, where each event says its own. */
  readonly type: ClickType | null
  /** The batch's `sentAt`, for events that have none of their own. */
  readonly sentAt: unknown
  /** Size of the request's body: where that is small enough, so is every event in it. */
  readonly bodyBytes: number
  /** For events without a `messageId`. */
  readonly newId: () => string
}

type Json = Readonly<Record<string, unknown>>

export function toClick(event: unknown, arrival: Arrival): Click | Dead {
  if (!isObject(event)) return parseSegment(event)
  const fault = contentFault(event)
  if (fault) return fault
  // Only now: what is too deep would overflow the stack here.
  if (arrival.bodyBytes > eventBytesMax && jsonBytes(event) > eventBytesMax)
    return dead('size', `An event may have at most ${eventBytesMax} bytes.`)
  const type = arrival.type ?? event.type ?? null
  if (type === null) return dead('type', 'type: missing')
  if (event.imported === true)
    return dead('imported', 'imported: is for files; load them with `ebb import`')
  const timestampMs = eventTime(event, arrival)
  if (typeof timestampMs !== 'number') return timestampMs
  return parseSegment({
    ...event,
    type,
    timestamp: timestampMs,
    receivedAt: arrival.receivedAtMs,
    // An empty id would mean its place on the log, and that differs when a producer sends twice.
    messageId:
      event.messageId == null || event.messageId === '' ? arrival.newId() : event.messageId,
  })
}

/**
 * The client's clock may be wrong, but it is as wrong when it sends: so an event happened as long before
 * we got it as before it was sent, timestamp = receivedAt - (sentAt - originalTimestamp), at most `skewMs`
 * in the future. Without `sentAt` the client's time stands, and the processor quarantines what is in the
 * future. Without a time the event happened now. `originalTimestamp` is what some trackers call `timestamp`.
 */
function eventTime(event: Json, arrival: Arrival): number | Dead {
  const key = event.originalTimestamp == null ? 'timestamp' : 'originalTimestamp'
  const original = clientTime(key, event[key])
  const sentAt = clientTime('sentAt', event.sentAt ?? arrival.sentAt)
  if (original === null) return arrival.receivedAtMs
  if (typeof original !== 'number' || sentAt === null) return original
  if (typeof sentAt !== 'number') return sentAt
  const corrected = arrival.receivedAtMs - (sentAt - original)
  return Math.min(corrected, arrival.receivedAtMs + skewMs)
}

/** Null where there is none. */
function clientTime(key: string, value: unknown): number | null | Dead {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && value < secondsBelow)
    return dead('seconds', `${key}: looks like epoch seconds; send milliseconds or ISO 8601`)
  const ms = parseTime(value)
  if (!Number.isNaN(ms)) return ms
  if (typeof value === 'string' && !Number.isNaN(parseIsoTime(`${value}Z`)))
    return dead('time', `${key}: has no zone; end it with Z or an offset such as +02:00`)
  return dead('time', `${key}: must be ISO 8601 with a zone, or epoch ms, from 1970 to 2100`)
}

function dead(reason: string, detail: string): Dead {
  return { kind: 'dead', reason, detail }
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

/** What a JSON value must not contain, at whatever depth. */
export function contentFault(value: unknown, depth = 1): Dead | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > depthMax) return dead('depth', `Objects may be nested at most ${depthMax} deep.`)
  const isArray = Array.isArray(value)
  const keys = isArray ? [] : Object.keys(value)
  if (keys.length > keysMax) return dead('keys', `An object may have at most ${keysMax} keys.`)
  const forbidden = forbiddenKeys.find(key => keys.includes(key))
  if (forbidden) return dead('key', `${forbidden}: is not allowed as a key`)
  for (const inner of isArray ? value : Object.values(value)) {
    const fault = contentFault(inner, depth + 1)
    if (fault) return fault
  }
  return undefined
}
