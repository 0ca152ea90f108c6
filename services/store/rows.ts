/** How values travel between Ebb and ClickHouse: in rows (JSON) and in parameters. */

import type { Params } from './store.ts'

/** 2100-01-01, the last instant that Ebb knows. */
const timeMsMax = 4_102_444_800_000

/** Rows as the values of columns: their names in each row would take the engine longer to read than the values. */
export interface Arrays {
  readonly columns: [string, ...string[]]
  readonly values: readonly (readonly unknown[])[]
}

/** Undefined where not all rows give the same columns in the same order, or a value is missing. */
export function arraysOf(rows: readonly object[]): Arrays | undefined {
  const [first, ...others] = Object.keys(rows[0] ?? {})
  if (first === undefined) return undefined
  const columns: [string, ...string[]] = [first, ...others]
  const values: unknown[][] = []
  for (const row of rows) {
    let at = 0
    for (const name in row) if (name !== columns[at++]) return undefined
    const ofRow = Object.values(row)
    if (ofRow.length !== columns.length || ofRow.includes(undefined)) return undefined
    values.push(ofRow)
  }
  return { columns, values }
}

/**
 * Epoch ms for a column DateTime64(3, 'UTC'), alone, Nullable or in an array. A bare integer in JSON is
 * taken as ticks of the column's scale, exactly and whatever its size; the same digits as a string are not
 * (a short one is a year, a long one seconds). So a time is always a number in a row.
 */
export function rowTime(ms: number): number {
  if (!Number.isInteger(ms) || ms < 0 || ms > timeMsMax) throw new RangeError(`${ms} is no time`)
  return ms
}

/**
 * Units of 1e-4 as the text of a Decimal(18, 4): -15 is `-0.0015`. What is too much to be exact, as the sum of some
 * mistaken amounts, is written as the most that is exact.
 */
export function rowMoney(minor: number): string {
  if (!Number.isInteger(minor)) throw new RangeError(`${minor} is no amount of money`)
  const digits = String(Math.min(Math.abs(minor), Number.MAX_SAFE_INTEGER)).padStart(5, '0')
  return `${minor < 0 ? '-' : ''}${digits.slice(0, -4)}.${digits.slice(-4)}`
}

/** Back from what `query` gives for a DateTime64(3, 'UTC'): `2023-11-14 22:13:20.000`. */
export function readTime(text: string): number {
  return Date.parse(`${text.replace(' ', 'T')}Z`)
}

/** Back from what `query` gives for a Decimal with at most 4 places: `12.5` is 125000. */
export function readMoney(text: string): number {
  const match = /^(-?)(\d+)(?:\.(\d{1,4}))?$/.exec(text)
  const minor = match ? Number(match[2]! + (match[3] ?? '').padEnd(4, '0')) : Number.NaN
  if (!Number.isSafeInteger(minor)) throw new RangeError(`${text} is no amount of money`)
  return match![1] && minor !== 0 ? -minor : minor
}

const escapes: Record<string, string> = {
  '\\': '\\\\',
  "'": "\\'",
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
  '\0': '\\0',
}

/** A string literal of ClickHouse's SQL that means exactly `text`. */
export function quoted(text: string): string {
  return `'${text.replace(/[\\'\t\n\r\0]/g, character => escapes[character]!)}'`
}

/** Parameters as ClickHouse takes them, in a URL as in SET: TSV's escapes outside of arrays, SQL's within. */
export function paramTexts(params: Params): Record<string, string> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, paramText(value)]))
}

function paramText(value: Params[string]): string {
  if (value === null || value === undefined) return '\\N'
  if (typeof value === 'string')
    return value.replace(/[\\\t\n\r\0]/g, character => escapes[character]!)
  if (typeof value === 'object')
    return `[${value.map(one => (typeof one === 'number' ? one : quoted(one))).join(',')}]`
  return String(value)
}
