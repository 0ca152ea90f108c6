/**
 * A reader of one Avro body at a time, by hand over the Buffer: for what avsc reads too slowly (clicks)
 * or cannot be trusted with (arrays and maps: it believes any count, so six bytes can hang it).
 *
 * One cursor for the process, so that nothing is allocated per record: `begin`, read, `finish`, without an
 * await between them. Whatever does not fit throws; a read past the end is seen by `finish` at the latest.
 */

/** What toString('utf8', ...) calls in the end: a fifth more clicks a second without its checks. */
interface Sliced extends Buffer {
  utf8Slice(start: number, end: number): string
}

let bytes = Buffer.alloc(0) as Buffer as Sliced
let at = 0
let end = 0

/** Up to this length V8 joins characters into one flat string, and that beats a call into C++. */
const shortBytesMax = 12
/** Seven bits a byte: a long of 64 bits needs no more. */
const longBytesMax = 10
/** As avsc has it: one less than Number.MAX_SAFE_INTEGER. */
const longMax = 2 ** 53 - 2

export function begin(value: Buffer, offset: number): void {
  bytes = value as Sliced
  at = offset
  end = value.length
}

export function finish(): void {
  if (at > end) throw new RangeError('The record ends too early.')
  if (at < end) throw new RangeError(`${end - at} bytes too many.`)
}

export function readLong(): number {
  const start = at
  let byte = bytes[at++]!
  let low = byte & 0x7f
  for (let shift = 7; byte >= 0x80 && shift < 28; shift += 7) {
    byte = bytes[at++]!
    low |= (byte & 0x7f) << shift
  }
  if (!(byte >= 0x80)) return (low >>> 1) ^ -(low & 1)
  // Past 28 bits in floating point: a bit operation would cut at 32.
  let zigzag = low
  for (let scale = 2 ** 28; byte >= 0x80 && at - start < longBytesMax; scale *= 128) {
    byte = bytes[at++]!
    zigzag += (byte & 0x7f) * scale
  }
  const long = zigzag % 2 ? -(zigzag + 1) / 2 : zigzag / 2
  if (byte >= 0x80 || !(long >= -longMax && long <= longMax))
    throw new RangeError('A long is beyond 2^53.')
  return long
}

export function readDouble(): number {
  at += 8
  return bytes.readDoubleLE(at - 8) // Throws a RangeError past the end.
}

export function readBoolean(): boolean {
  return bytes[at++] !== 0
}

/** Bytes that are no UTF-8 become U+FFFD. The string is a copy: it keeps no record alive. */
export function readText(): string {
  const length = readLong()
  const start = at
  at += length
  if (length < 0 || at > end) throw new RangeError('The record ends within a text.')
  if (length > shortBytesMax) return bytes.utf8Slice(start, at)
  let text = ''
  for (let index = start; index < at; index++) {
    const byte = bytes[index]!
    if (byte >= 0x80) return bytes.utf8Slice(start, at)
    text += String.fromCharCode(byte)
  }
  return text
}

/** Whether the second branch of a union of null and something follows. */
export function readPresence(): boolean {
  const branch = readLong()
  if (branch !== 0 && branch !== 1) throw new RangeError(`A union has no branch ${branch}.`)
  return branch === 1
}

export function readTextOrNull(): string | null {
  return readPresence() ? readText() : null
}

/**
 * The number of items in the next block of an array or map; 0 after the last block. It may claim anything:
 * an item takes a byte at least, and reading a text or a number past the end throws.
 */
export function readBlockCount(): number {
  const count = readLong()
  if (count >= 0) return count
  readLong() // The block's size in bytes, for readers that skip.
  return -count
}
