/** Bytes to physical lines, a block of them at a time: awaiting each line would cost more than reading it. */

export interface Line {
  /** From 1. */
  readonly number: number
  /** Without the newline, with the carriage return before it. */
  readonly bytes: Buffer
  /** How many double quotes are in it. */
  readonly quotes: number
  /** The line was longer than lineBytesMax: `bytes` is only its beginning. */
  readonly isCut: boolean
}

/** Of one line; what is longer is read over and not kept. */
export const lineBytesMax = 2 * 1024 * 1024
const newline = 0x0a
const quote = 0x22

export async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line[]> {
  let number = 1
  /** The beginning of a line whose end is not read yet. */
  let parts: Buffer[] = []
  let partsBytes = 0
  const keep = (part: Buffer): void => {
    if (part.length === 0) return
    if (partsBytes <= lineBytesMax) parts.push(part)
    partsBytes += part.length
  }
  const take = (): Line => {
    let bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    if (number === 1) bytes = withoutMark(bytes)
    const isCut = partsBytes > lineBytesMax
    if (isCut) bytes = bytes.subarray(0, lineBytesMax)
    parts = []
    partsBytes = 0
    return { number: number++, bytes, quotes: countQuotes(bytes), isCut }
  }
  for await (const chunk of chunks) {
    const lines: Line[] = []
    let from = 0
    for (let to = chunk.indexOf(newline); to >= 0; to = chunk.indexOf(newline, from)) {
      keep(chunk.subarray(from, to))
      lines.push(take())
      from = to + 1
    }
    keep(chunk.subarray(from))
    if (lines.length > 0) yield lines
  }
  if (partsBytes > 0) yield [take()]
}

/** Without the byte order mark that some programs write first. */
function withoutMark(bytes: Buffer): Buffer {
  const isMarked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return isMarked ? bytes.subarray(3) : bytes
}

function countQuotes(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(quote); at >= 0; at = bytes.indexOf(quote, at + 1)) count++
  return count
}

/** Nothing but white space: no row. */
export function isBlank(line: Line): boolean {
  return line.bytes.every(byte => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}
