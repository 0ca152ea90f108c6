/**
 * A row to an event in Segment's shape:
 *
 *   row ──► draft ──► event ──► one line of JSON, the same for --print and for the log
 *             └─► the drafts of one order are added up first (order.ts)
 */

import { assert } from '../../base/errors.ts'
import type { Click, Dead } from '../../log/record.ts'
import { isObject, parseSegment } from '../../log/segment.ts'
import { contentFault, eventBytesMax } from '../event.ts'
import { dead } from './dead.ts'
import { type Decimal, magnitude, multiply, parseDecimal, toNumber } from './decimal.ts'
import type { Mapping } from './mapping.ts'
import { type FileTime, readTime, type TimeRule } from './time.ts'

type Json = Readonly<Record<string, unknown>>

/** A row's columns by name: texts in a CSV, any JSON value in NDJSON. */
export type Columns = ReadonlyMap<string, unknown>

export interface Draft {
  readonly kind: 'draft'
  readonly timeMs: number
  readonly zoneless: boolean
  readonly messageId: string
  /** The file gave the id; else it is made from file and line. */
  readonly isNamed: boolean
  readonly userId: unknown
  readonly name: unknown
  /** Null: no part of an order. */
  readonly order: string | null
  readonly amount: Decimal | null
  readonly properties: Json
}

/** Columns that mean what they do in Segment's shape, where no option names others. */
const defaultId = 'messageId'
const defaultValue = ['revenue']

const refundName = 'Order Refunded'
/** What counts as money (pipe.md); only these turn into refunds when their amount is negative. */
const moneyNames: readonly unknown[] = [
  'Order Completed',
  'purchase',
  'purchased',
  refundName,
  'refund',
]

/** `ownId` names the row where the file does not. */
export function draftOf(
  columns: Columns,
  mapping: Mapping,
  latestMs: number,
  ownId: string,
): Draft | Dead {
  const userId = textOf(columns.get(mapping.user))
  if (userId === '') return dead('user', `${mapping.user}: empty, so nobody did this`)
  const time = readTime(columns.get(mapping.time), timeRule(mapping, latestMs))
  if (time.kind === 'dead') return time
  const amount = amountOf(columns, mapping.value ?? defaultValue)
  if (amount !== null && 'reason' in amount) return amount
  const order = mapping.order === null ? '' : textOf(columns.get(mapping.order))
  if (typeof order !== 'string') return dead('order', `${mapping.order}: must be a text`)
  const id = idOf(columns.get(mapping.id ?? defaultId))
  return {
    kind: 'draft',
    timeMs: time.timeMs,
    zoneless: time.zoneless,
    messageId: id ?? ownId,
    isNamed: id !== undefined,
    userId,
    name: 'name' in mapping.event ? mapping.event.name : columns.get(mapping.event.column),
    order: order === '' ? null : order,
    amount,
    properties: propertiesOf(columns, mapping),
  }
}

export function timeRule(mapping: Mapping, latestMs: number): TimeRule {
  return { column: mapping.time, unit: mapping.timeUnit, zone: mapping.zone, latestMs }
}

/** Numbers, which JSON may hold for ids, as their text; a missing one as the empty text. */
function textOf(value: unknown): unknown {
  if (value === undefined || value === null) return ''
  return typeof value === 'number' ? String(value) : value
}

function idOf(value: unknown): string | undefined {
  const id = textOf(value)
  return typeof id === 'string' && id !== '' ? id : undefined
}

/** The product of the columns; null where one is empty. */
function amountOf(columns: Columns, factors: readonly string[]): Decimal | null | Dead {
  let amount: Decimal | null = null
  for (const column of factors) {
    const value = textOf(columns.get(column))
    if (value === '') return null
    const factor = typeof value === 'string' ? parseDecimal(value.trim()) : undefined
    if (!factor) return dead('value', `${column}: must be a decimal number, without separators`)
    amount = amount === null ? factor : multiply(amount, factor)
  }
  return amount
}

/** Empty cells are no properties. */
function propertiesOf(columns: Columns, mapping: Mapping): Json {
  const properties: [string, unknown][] = []
  const keep = (name: string, value: unknown): void => {
    if (value !== undefined && value !== null && value !== '') properties.push([name, value])
  }
  if (mapping.properties !== null)
    for (const { name, column } of mapping.properties) keep(name, columns.get(column))
  else for (const [column, value] of columns) if (!isUsed(column, mapping)) keep(column, value)
  // fromEntries defines what assignment would swallow: a column named __proto__.
  return Object.fromEntries(properties)
}

function isUsed(column: string, mapping: Mapping): boolean {
  return (
    column === mapping.user ||
    column === mapping.time ||
    column === mapping.order ||
    column === (mapping.id ?? defaultId) ||
    ('column' in mapping.event && column === mapping.event.column) ||
    (mapping.value ?? defaultValue).includes(column)
  )
}

/** How a draft's money is to be read. A negative amount of money is money given back. */
export type Money = 'plain' | 'refund by prefix' | 'refund by sign' | 'negative'

export function moneyOf(draft: Draft, mapping: Mapping): Money {
  const { order, amount, name } = draft
  if (order !== null && mapping.refundPrefix !== null && order.startsWith(mapping.refundPrefix))
    return 'refund by prefix'
  if (amount === null || amount.units >= 0n) return 'plain'
  return moneyNames.includes(name) ? 'refund by sign' : 'negative'
}

/** `items` is the number of rows of an order. */
export function eventOf(draft: Draft, money: Money, items: number): Json {
  const isRefund = money === 'refund by prefix' || money === 'refund by sign'
  const amount = draft.amount && isRefund ? magnitude(draft.amount) : draft.amount
  return {
    userId: draft.userId,
    timestamp: draft.timeMs,
    messageId: draft.messageId,
    receivedAt: draft.timeMs,
    type: 'track',
    event: isRefund && draft.name !== 'refund' ? refundName : draft.name,
    properties: {
      ...draft.properties,
      ...(draft.order === null ? {} : { order_id: draft.order, items }),
      ...(amount === null ? {} : { revenue: toNumber(amount) }),
    },
    imported: true,
  }
}

export interface SegmentEvent {
  readonly kind: 'event'
  readonly event: Json
  readonly time: FileTime
}

/** A line that is in Segment's shape already: what the log has no place for is left out. */
export function segmentEvent(
  line: unknown,
  mapping: Mapping,
  latestMs: number,
  ownId: string,
): SegmentEvent | Dead {
  if (!isObject(line)) return dead('shape', 'A line must be a JSON object.')
  const time = readTime(line.timestamp, timeRule(mapping, latestMs))
  if (time.kind === 'dead') return time
  const event = {
    userId: line.userId,
    anonymousId: line.anonymousId,
    timestamp: time.timeMs,
    messageId: line.messageId == null || line.messageId === '' ? ownId : line.messageId,
    receivedAt: time.timeMs,
    type: line.type ?? 'track',
    event: line.event,
    name: line.name,
    properties: line.properties,
    context: line.context,
    imported: true,
  }
  return { kind: 'event', event, time }
}

/** The event as one line, once it is sure that the log takes it: within the bounds that the HTTP door has too. */
export function lineOf(event: Json): string | Dead {
  const fault = contentFault(event)
  if (fault) return fault
  const line = JSON.stringify(event)
  if (line.length * 3 > eventBytesMax && Buffer.byteLength(line) > eventBytesMax)
    return dead('size', `A click may have at most ${eventBytesMax} bytes.`)
  const click = parseSegment(event)
  return click.kind === 'dead' ? click : line
}

/** The click that such a line stands for. */
export function clickOf(line: string): Click {
  const click = parseSegment(JSON.parse(line))
  assert(click.kind === 'click', 'only lines that are clicks are sorted')
  return click
}
