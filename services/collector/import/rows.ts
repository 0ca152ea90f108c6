/** The rows of one file, in blocks, as columns by name or as JSON in Segment's shape. */
import { isUtf8 } from 'node:buffer'
import { EbbError } from '../../base/errors.ts'
import type { Dead } from '../../log/record.ts'
import { isObject } from '../../log/segment.ts'
import { type CsvRow, readCsv } from './csv.ts'
import { dead } from './dead.ts'
import type { Columns } from './draft.ts'
import { isBlank, type Line, readLines } from './lines.ts'
import { checkHeader, type Mapping } from './mapping.ts'
import { readBytes, type Source } from './source.ts'

export interface Row {
  /** Of its first line, from 1: the header of a CSV is line 1. */
  readonly line: number
  readonly bytes: Buffer
  readonly content:
    | { readonly kind: 'columns'; readonly columns: Columns }
    | { readonly kind: 'json'; readonly json: unknown }
    | Dead
}

/** Throws a sentence where the header of a CSV does not fit the mapping; so it does before the first block. */
export async function* readRows(
  source: Source,
  mapping: Mapping,
  onBytes: (readBytes: number) => void,
): AsyncGenerator<Row[]> {
  if (source.format === 'empty') return
  const lines = readLines(readBytes(source, onBytes))
  if (source.format === 'ndjson') {
    for await (const block of lines)
      yield block.filter(line => !isBlank(line)).map(line => jsonRow(line, mapping))
    return
  }
  let header: string[] | undefined
  for await (const block of readCsv(lines)) {
    if (header) yield block.map(row => csvRow(row, header!))
    else header = readHeader(source, block[0]!, mapping)
  }
}

/** Reads no further than the header. */
export async function checkColumns(source: Source, mapping: Mapping): Promise<void> {
  if (source.format !== 'csv') return
  for await (const block of readCsv(readLines(readBytes(source, () => undefined)))) {
    readHeader(source, block[0]!, mapping)
    return
  }
}

function readHeader(source: Source, { cells }: CsvRow, mapping: Mapping): string[] {
  if ('reason' in cells)
    throw new EbbError('badInput', `${source.name}: the header cannot be read: ${cells.detail}`)
  checkHeader(source.name, cells, mapping)
  return cells.map((name, at) => uniqueName(name, at, cells))
}

/** Some programs leave the first column without a name, or write one twice. */
function uniqueName(name: string, at: number, header: readonly string[]): string {
  return name === '' || header.indexOf(name) < at ? `${name}#${at + 1}` : name
}

function csvRow({ line, bytes, cells }: CsvRow, header: readonly string[]): Row {
  if ('reason' in cells) return { line, bytes, content: cells }
  const columns = new Map<string, string>()
  for (let at = 0; at < header.length; at++) columns.set(header[at]!, cells[at]!)
  return { line, bytes, content: { kind: 'columns', columns } }
}

function jsonRow(line: Line, mapping: Mapping): Row {
  return { line: line.number, bytes: line.bytes, content: readJson(line, mapping) }
}

function readJson(line: Line, mapping: Mapping): Row['content'] {
  if (line.isCut) return dead('size', 'The line is too long.')
  if (!isUtf8(line.bytes)) return dead('encoding', 'The line is not UTF-8.')
  let json: unknown
  try {
    json = JSON.parse(line.bytes.toString('utf8'))
  } catch (error) {
    // The parser's own message would quote the line: only the position is taken from it.
    const position = /at position \d+/.exec(String(error))?.[0]
    return dead('json', `The line is no JSON${position ? `, ${position}` : ''}.`)
  }
  if (mapping.segment) return { kind: 'json', json }
  if (!isObject(json)) return dead('shape', 'A line must be a JSON object.')
  return { kind: 'columns', columns: new Map(Object.entries(json)) }
}
