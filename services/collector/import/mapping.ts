/** Which column of a file means what, from the command line. */
import { EbbError } from '../../base/errors.ts'
import type { TimeUnit } from './time.ts'
import { openZone, type Zone } from './zone.ts'

/** As they are typed; see command.ts for what each says. */
export interface MappingOptions {
  readonly user?: string
  readonly time?: string
  readonly event?: string
  readonly eventColumn?: string
  readonly id?: string
  readonly order?: string
  readonly value?: string
  readonly refundPrefix?: string
  readonly property?: readonly string[]
  readonly zone?: string
  readonly timeUnit?: string
}

export interface Property {
  readonly name: string
  readonly column: string
}

export interface Mapping {
  /** No option names a column: NDJSON lines are in Segment's shape, CSV columns have Segment's names. */
  readonly segment: boolean
  readonly user: string
  readonly time: string
  /** The same name for every row, or the column that holds it. */
  readonly event: { readonly name: string } | { readonly column: string }
  /** Null: from file and line. */
  readonly id: string | null
  readonly order: string | null
  /** An order id that begins so is a refund; null: none does. */
  readonly refundPrefix: string | null
  /** The amount is the product of these; null: `revenue`, where there is such a column. */
  readonly value: readonly string[] | null
  /** Null: every column that is not used for something else, under its own name. */
  readonly properties: readonly Property[] | null
  readonly zone: Zone
  readonly timeUnit: TimeUnit
}

export function readMapping(options: MappingOptions): Mapping {
  const { user, time, event, eventColumn, id, order, value, property } = options
  if (event !== undefined && eventColumn !== undefined)
    throw new EbbError('badInput', 'Give --event NAME or --event-column COLUMN, not both.')
  if (options.refundPrefix !== undefined && (order === undefined || options.refundPrefix === ''))
    throw new EbbError('badInput', '--refund-prefix: needs --order COLUMN and a prefix of its ids.')
  const named = [user, time, event, eventColumn, id, order, value, property]
  return {
    segment: named.every(option => option === undefined),
    user: user ?? 'userId',
    time: time ?? 'timestamp',
    event: event === undefined ? { column: eventColumn ?? 'event' } : { name: event },
    id: id ?? null,
    order: order ?? null,
    refundPrefix: options.refundPrefix ?? null,
    value: value === undefined ? null : readProduct(value),
    properties: property === undefined ? null : property.map(readProperty),
    zone: openZone(options.zone ?? 'Z'),
    timeUnit: readTimeUnit(options.timeUnit ?? 'ms'),
  }
}

/** `Quantity*UnitPrice`. */
function readProduct(text: string): string[] {
  const columns = text.split('*').map(column => column.trim())
  if (columns.includes(''))
    throw new EbbError('badInput', `--value ${text}: must be a column, or columns joined by *.`)
  return columns
}

/** `name=column`, or one word for both. */
function readProperty(text: string): Property {
  const at = text.indexOf('=')
  const property =
    at < 0 ? { name: text, column: text } : { name: text.slice(0, at), column: text.slice(at + 1) }
  if (property.name === '' || property.column === '')
    throw new EbbError('badInput', `--property ${text}: must be COLUMN or NAME=COLUMN.`)
  return property
}

function readTimeUnit(text: string): TimeUnit {
  if (text === 'ms' || text === 's') return text
  throw new EbbError('badInput', `--time-unit ${text}: must be ms or s.`)
}

/** The columns that a file must have, each with the option that would name another. */
function requiredColumns(mapping: Mapping): [column: string, option: string][] {
  const required: [string, string][] = [
    [mapping.user, '--user'],
    [mapping.time, '--time'],
  ]
  if ('column' in mapping.event) required.push([mapping.event.column, '--event-column or --event'])
  if (mapping.id !== null) required.push([mapping.id, '--id'])
  if (mapping.order !== null) required.push([mapping.order, '--order'])
  for (const column of mapping.value ?? []) required.push([column, '--value'])
  for (const { column } of mapping.properties ?? []) required.push([column, '--property'])
  return required
}

/** Throws a sentence if a CSV's header lacks a column, or has a used one twice. */
export function checkHeader(file: string, header: readonly string[], mapping: Mapping): void {
  for (const [column, option] of requiredColumns(mapping)) {
    const count = header.filter(name => name === column).length
    if (count === 1) continue
    const fault =
      count === 0 ? `has no column ${column}` : `has the column ${column} ${count} times`
    const there = header.map(name => (name === '' ? '(no name)' : name)).join(', ')
    throw new EbbError('badInput', `${file} ${fault} (${option}). Its columns are: ${there}.`)
  }
}
