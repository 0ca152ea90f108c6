/**
 * Reads JSON out of bytes, value by value: a restore goes through millions of rows, and JSON.parse would make each of
 * them whole. Reads what JSON.stringify writes of nested lists, without white space. There is one place to read at,
 * set by `readFrom`; every read steps over the comma or bracket behind its value.
 */
import { assert } from '../../base/errors.ts'

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const zero = 0x30
const nine = 0x39
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const letterN = 0x6e

let bytes: Buffer = Buffer.alloc(0)
let at = 0
let skipsIdle = false

/**
 * What is read next begins there. `skips`: what the reader says that it may do without is stepped over, each name
 * becomes an empty text and each such list an empty one. Making them takes most of the time.
 */
export function readFrom(from: Buffer, offset: number, skips: 'idle' | 'nothing'): void {
  bytes = from
  at = offset
  skipsIdle = skips === 'idle'
}

/** A number; NaN for null. */
export function readNumber(): number {
  const startAt = at
  let byte = bytes[at++]!
  if (byte === letterN) {
    at += 4
    return Number.NaN
  }
  const negative = byte === minus
  if (negative) byte = bytes[at++]!
  let value = 0
  for (; byte >= zero && byte <= nine; byte = bytes[at++]!) value = value * 10 + (byte - zero)
  if ((byte !== comma && byte !== closeBracket) || value > Number.MAX_SAFE_INTEGER)
    return readLongNumber(startAt)
  return negative ? -value : value
}

/** With a fraction, an exponent, or too many digits to be added up. */
function readLongNumber(startAt: number): number {
  at = startAt
  while (at < bytes.length && bytes[at] !== comma && bytes[at] !== closeBracket) at++
  return Number(bytes.toString('latin1', startAt, at++))
}

/** A text that the reader may do without (see `readFrom`). */
export function readName(): string {
  return readString(skipsIdle)
}

export function readText(): string {
  return readString(false)
}

function readString(skips: boolean): string {
  const startAt = ++at
  let isPlain = true
  for (; at < bytes.length && bytes[at] !== quote; at++) {
    const byte = bytes[at]!
    if (byte === backslash) at++
    if (byte === backslash || byte > 0x7f) isPlain = false
  }
  const endAt = at
  at += 2
  if (skips) return ''
  if (isPlain) return bytes.toString('latin1', startAt, endAt)
  return JSON.parse(bytes.toString('utf8', startAt - 1, endAt + 1)) as string
}

/** Steps over null, if that is what comes. */
export function isNull(): boolean {
  if (bytes[at] !== letterN) return false
  at += 5
  return true
}

/** To be called before and after the values of a list whose length is known. */
export function enterList(): void {
  assert(bytes[at] === openBracket, 'a list begins here')
  at++
}

export function leaveList(): void {
  assert(bytes[at - 1] === closeBracket, 'a list ends here')
  at++
}

export function readList<Item>(readItem: () => Item): Item[] {
  const items: Item[] = []
  enterList()
  if (bytes[at] === closeBracket) at++
  else
    do items.push(readItem())
    while (bytes[at - 1] === comma)
  leaveList()
  return items
}

/** A list that the reader may do without (see `readFrom`). */
export function readIdleList<Item>(readItem: () => Item): Item[] {
  if (!skipsIdle) return readList(readItem)
  stepOverList()
  return []
}

function stepOverList(): void {
  enterList()
  let isText = false
  for (let depth = 1; depth > 0 && at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === quote) isText = !isText
    else if (byte === backslash) at++
    else if (isText) continue
    else if (byte === openBracket) depth++
    else if (byte === closeBracket) depth--
  }
  leaveList()
}
