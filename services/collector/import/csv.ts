/**
 * RFC 4180, by csv-parse, with a promise of our own: a broken row costs itself and no other. A quote that is
 * opened and never closed would swallow the rest of the file, so lines are cut into rows first: a row ends with
 * the first line after which its quotes are even in number. Where a row of several lines turns out to be none,
 * only its first line is bad, and reading goes on with the next line.
 */
import { isUtf8 } from 'node:buffer'
import { parse } from 'csv-parse/sync'
import type { Dead } from '../../log/record.ts'
import { dead } from './dead.ts'
import { isBlank, type Line, lineBytesMax } from './lines.ts'

export interface CsvRow {
  /** Of its first line. */
  readonly line: number
  readonly bytes: Buffer
  readonly cells: readonly string[] | Dead
}

/** Of one row with all its lines. */
const rowBytesMax = lineBytesMax
const newline = Buffer.from('\n')
const carriageReturn = 0x0d

/** The first row is the header, alone in its block; the others have as many cells as it has. */
export async function* readCsv(blocks: AsyncIterable<Line[]>): AsyncGenerator<CsvRow[]> {
  let width = 0
  let rest: Line[] = []
  function take(isEnd: boolean): CsvRow[] {
    const taken = width === 0 ? takeHeader(rest, isEnd) : takeRows(rest, width, isEnd)
    const header = taken.rows[0]?.cells
    if (width === 0 && Array.isArray(header)) width = header.length
    rest = taken.rest
    return taken.rows
  }
  for await (const lines of blocks) {
    rest = rest.concat(lines)
    for (let rows = take(false); rows.length > 0; rows = take(false)) yield rows
  }
  for (let rows = take(true); rows.length > 0; rows = take(true)) yield rows
}

interface Taken {
  readonly rows: CsvRow[]
  /** Lines from the first row on whose end is not read yet. */
  readonly rest: Line[]
}

/** Whole lines from `from` to before `to`; a fault where they are no row. */
interface Span {
  readonly from: number
  readonly to: number
  readonly hasQuotes: boolean
  readonly fault: Dead | null
}

function takeHeader(lines: Line[], isEnd: boolean): Taken {
  const span = nextSpan(lines, 0, isEnd)
  if (!span) return { rows: [], rest: lines }
  return { rows: [parseOne(lines, span)], rest: lines.slice(span.to) }
}

function takeRows(lines: Line[], width: number, isEnd: boolean): Taken {
  return takeAtOnce(lines, width, isEnd) ?? takeOneByOne(lines, width, isEnd)
}

/** One call of the parser for all rows is cheap; undefined if one of them turns out to be none. */
function takeAtOnce(lines: Line[], width: number, isEnd: boolean): Taken | undefined {
  const spans: Span[] = []
  let at = 0
  for (let span = nextSpan(lines, 0, isEnd); span; span = nextSpan(lines, at, isEnd)) {
    if (span.fault) return undefined
    spans.push(span)
    at = span.to
  }
  const quoted = spans.filter(span => span.hasQuotes)
  const table = parseText(Buffer.concat(quoted.flatMap(span => [bytesOf(lines, span), newline])))
  if (table?.length !== quoted.length) return undefined
  const rows: CsvRow[] = []
  let tableAt = 0
  for (const span of spans) {
    const bytes = bytesOf(lines, span)
    const all = span.hasQuotes ? table[tableAt++] : splitText(bytes)
    const cells = all && measured(all, width)
    if (!cells || (!Array.isArray(cells) && span.to - span.from > 1)) return undefined
    rows.push({ line: lines[span.from]!.number, bytes, cells })
  }
  return { rows, rest: lines.slice(at) }
}

function takeOneByOne(lines: Line[], width: number, isEnd: boolean): Taken {
  const rows: CsvRow[] = []
  let at = 0
  for (let span = nextSpan(lines, 0, isEnd); span; span = nextSpan(lines, at, isEnd)) {
    const row = parseOne(lines, span)
    const cells = Array.isArray(row.cells) ? measured(row.cells, width) : row.cells
    const isBroken = !Array.isArray(cells) && span.to - span.from > 1
    rows.push(
      isBroken ? { ...row, bytes: lines[span.from]!.bytes, cells: brokenQuote } : { ...row, cells },
    )
    at = isBroken ? span.from + 1 : span.to
  }
  return { rows, rest: lines.slice(at) }
}

const brokenQuote = dead('quote', 'A quote is opened and not closed, or not doubled within quotes.')

/** The next row from `at` on, over blank lines; undefined if its end is not read yet, or there is none. */
function nextSpan(lines: Line[], at: number, isEnd: boolean): Span | undefined {
  let from = at
  while (from < lines.length && isBlank(lines[from]!)) from++
  let quotes = 0
  let bytes = 0
  for (let to = from; to < lines.length; to++) {
    const line = lines[to]!
    quotes += line.quotes
    bytes += line.bytes.length
    if (line.isCut && to === from)
      return faulty(from, dead('size', `A row may have at most ${rowBytesMax} bytes.`))
    if (line.isCut || bytes > rowBytesMax) return faulty(from, brokenQuote)
    if (quotes % 2 === 0) return { from, to: to + 1, hasQuotes: quotes > 0, fault: null }
  }
  return isEnd && from < lines.length ? faulty(from, brokenQuote) : undefined
}

function faulty(from: number, fault: Dead): Span {
  return { from, to: from + 1, hasQuotes: true, fault }
}

function bytesOf(lines: Line[], { from, to }: Span): Buffer {
  if (to - from === 1) return lines[from]!.bytes
  const parts = lines.slice(from, to).flatMap(line => [line.bytes, newline])
  return Buffer.concat(parts.slice(0, -1))
}

function parseOne(lines: Line[], span: Span): CsvRow {
  const bytes = bytesOf(lines, span)
  const encoding = isUtf8(bytes)
    ? null
    : dead('encoding', 'The row is not UTF-8; convert the file, e.g. iconv -f cp1252 -t utf-8.')
  const parsed = span.hasQuotes ? parseText(bytes)?.[0] : splitText(bytes)
  const cells = span.fault ?? encoding ?? parsed ?? brokenQuote
  return { line: lines[span.from]!.number, bytes, cells }
}

/** A row without a quote needs no parser, and most rows have none. */
function splitText(bytes: Buffer): string[] | undefined {
  if (!isUtf8(bytes)) return undefined
  const end = bytes.at(-1) === carriageReturn ? bytes.length - 1 : bytes.length
  return bytes.toString('utf8', 0, end).split(',')
}

/** Undefined where the text breaks RFC 4180 or is not UTF-8. */
function parseText(bytes: Buffer): string[][] | undefined {
  if (!isUtf8(bytes)) return undefined
  try {
    return parse(bytes, { record_delimiter: ['\r\n', '\n'], relax_column_count: true })
  } catch {
    // The caller finds out which row it is, by itself.
    return undefined
  }
}

function measured(cells: readonly string[], width: number): readonly string[] | Dead {
  if (cells.length === width) return cells
  return dead('columns', `The row has ${cells.length} columns, the header has ${width}.`)
}
