/** Segment's event shape, as trackers and files bring it, into a Click. Strict: a wrong type is dead, not guessed. */
import { parseIsoTime } from '../base/timestamp.ts'
import { type Click, type ClickType, clickTypes, type Dead, timeMsMax } from './record.ts'

export const userIdBytesMax = 256

type Json = Readonly<Record<string, unknown>>

/** Epoch ms of an ISO 8601 time with a zone or of an integer of ms, within 0 .. timeMsMax; else NaN. */
export function parseTime(value: unknown): number {
  const ms =
    typeof value === 'string' ? parseIsoTime(value) : Number.isInteger(value) ? Number(value) : NaN
  return ms >= 0 && ms <= timeMsMax ? ms : Number.NaN
}

function dead(reason: string, detail: string): Dead {
  return { kind: 'dead', reason, detail }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What is wrong with a user id; undefined for a good one. */
export function userIdFault(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a string'
  if (value === '') return 'must not be empty'
  // A UTF-16 unit takes at most 3 bytes: most ids need no second look.
  if (value.length * 3 > userIdBytesMax && Buffer.byteLength(value) > userIdBytesMax)
    return `must have at most ${userIdBytesMax} bytes`
  return value.isWellFormed() ? undefined : 'must be valid Unicode'
}

/** The first of the keys that the object has, unless null. */
function first(object: Json, keys: readonly string[]): unknown {
  for (const key of keys) {
    const value = object[key]
    if (value !== undefined && value !== null) return value
  }
  return undefined
}

/** An amount of money: a finite number >= 0; anything else carries none. */
function amount(properties: Json): number | null {
  const value = first(properties, ['revenue', 'total', 'value'])
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}

function orderId(properties: Json): string | null {
  const value = first(properties, ['order_id', 'transaction_id'])
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  return typeof value === 'string' && value !== '' ? value.toWellFormed() : null
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value.toWellFormed() : null
}

const optionalText = ['messageId', 'event', 'name'] as const
const optionalObject = ['properties', 'context'] as const

/** The first wrong type among the optional keys, as a sentence. */
function wrongType(event: Json): string | undefined {
  for (const key of optionalText) {
    const value = event[key]
    if (value !== undefined && value !== null && typeof value !== 'string')
      return `${key}: must be a string`
  }
  for (const key of optionalObject) {
    const value = event[key]
    if (value !== undefined && value !== null && !isObject(value))
      return `${key}: must be an object`
  }
  const imported = event.imported
  if (imported !== undefined && imported !== null && typeof imported !== 'boolean')
    return 'imported: must be true or false'
  if (typeof event.messageId === 'string' && !event.messageId.isWellFormed())
    return 'messageId: must be valid Unicode'
  return undefined
}

const noProperties: Json = {}

/**
 * A Click from one event in Segment's shape: `userId` or `anonymousId`, `timestamp`; optional `messageId`,
 * `receivedAt`, `type` (default track), `event` or `name`, `properties`, `context`, `imported`.
 */
export function parseSegment(event: unknown): Click | Dead {
  if (!isObject(event)) return dead('shape', 'An event must be a JSON object.')
  const type = event.type ?? 'track'
  if (!clickTypes.includes(type as ClickType))
    return dead('type', `type: must be one of ${clickTypes.join(', ')}`)
  const userKey = event.userId ?? event.anonymousId
  if (userKey === undefined || userKey === null)
    return dead('user', 'userId: missing, and no anonymousId either')
  const fault = userIdFault(userKey)
  if (fault) return dead('user', `${event.userId == null ? 'anonymousId' : 'userId'}: ${fault}`)
  const wrong = wrongType(event)
  if (wrong) return dead('type of value', wrong)
  if (event.timestamp === undefined || event.timestamp === null)
    return dead('time', 'timestamp: missing')
  const timestampMs = parseTime(event.timestamp)
  if (Number.isNaN(timestampMs)) return dead('time', `timestamp: ${timeRule}`)
  const receivedAtMs = event.receivedAt == null ? null : parseTime(event.receivedAt)
  if (Number.isNaN(receivedAtMs)) return dead('time', `receivedAt: ${timeRule}`)
  const properties = (event.properties as Json | null | undefined) ?? noProperties
  const page =
    isObject(event.context) && isObject(event.context.page) ? event.context.page : noProperties
  return {
    kind: 'click',
    eventId: (event.messageId as string | null | undefined) ?? '',
    userId: userKey as string,
    anonymousId: textOrNull(event.anonymousId),
    type: type as ClickType,
    name: ((event.event ?? event.name ?? '') as string).toWellFormed(),
    timestampMs,
    receivedAtMs,
    url: textOrNull(properties.url ?? page.url),
    referrer: textOrNull(properties.referrer ?? page.referrer),
    value: amount(properties),
    currency: textOrNull(properties.currency),
    orderId: orderId(properties),
    properties: properties === noProperties ? '' : JSON.stringify(properties),
    context: event.context == null ? '' : JSON.stringify(event.context),
    imported: event.imported === true,
  }
}

export const timeRule = 'must be ISO 8601 with a zone, or epoch ms as an integer, from 1970 to 2100'
