/** All rows of all files into clicks in order of time; what is no click goes to `reject`. */
import { join } from 'node:path'
import type { Dead } from '../../log/record.ts'
import { draftOf, eventOf, lineOf, type Money, moneyOf, segmentEvent } from './draft.ts'
import type { Mapping } from './mapping.ts'
import { addUpOrders, orderEntry } from './order.ts'
import { type Row, readRows } from './rows.ts'
import { openSorter, type Sorter } from './sorter.ts'
import type { Source } from './source.ts'

/** A row that is no click. */
export interface Rejected {
  readonly file: string
  /** 32 bits of the file's content: apart from other files' rows, the same when it is imported again. */
  readonly fileNumber: number
  readonly line: number
  readonly reason: string
  readonly detail: string
  /** The row as it stands in the file, at most rejectedBytesMax of it. */
  readonly bytes: Buffer
}

const rejectedBytesMax = 64 * 1024

/** In order of time; each `text` is one line of `--print`. It can be gone through more than once. */
export type SortedClicks = Pick<Sorter, 'count' | 'sorted'>

export interface ReadCounts {
  rows: number
  readonly dead: Map<string, number>
  /** Rows that became part of an order, and the orders. */
  orderRows: number
  orders: number
  mixedOrders: number
  /** Rows whose time was read in the zone of the import. */
  zoneless: number
  readonly money: Record<Money, number>
}

export interface Reading {
  readonly mapping: Mapping
  readonly latestMs: number
  readonly directory: string
  readonly memoryBytesMax: number
  reject(rows: readonly Rejected[]): Promise<void>
  /** After every block of rows; `readBytes` of all files together. */
  onBlock(counts: ReadCounts, readBytes: number): void
  onSorting(counts: ReadCounts): void
}

export async function readClicks(
  sources: readonly Source[],
  reading: Reading,
): Promise<{ clicks: SortedClicks; counts: ReadCounts }> {
  const { directory, memoryBytesMax, mapping } = reading
  const clicks = openSorter(join(directory, 'clicks'), memoryBytesMax)
  const orderRows = openSorter(join(directory, 'orders'), memoryBytesMax)
  const counts = noCounts()
  let bytesBefore = 0
  for (const [file, source] of sources.entries()) {
    let readBytes = bytesBefore
    const onBytes = (bytes: number): void => {
      readBytes = bytesBefore + bytes
    }
    for await (const rows of readRows(source, mapping, onBytes)) {
      const rejected: Rejected[] = []
      for (const row of rows) {
        counts.rows++
        const fault = takeRow(row, { file, source, reading, counts, clicks, orderRows })
        if (fault) rejected.push(rejectedRow(source, row, fault))
      }
      count(counts.dead, rejected)
      if (rejected.length > 0) await reading.reject(rejected)
      reading.onBlock(counts, readBytes)
    }
    bytesBefore += source.sizeBytes
  }
  reading.onSorting(counts)
  await addOrders(orderRows, clicks, reading, counts, sources)
  return { clicks, counts }
}

interface Place {
  readonly file: number
  readonly source: Source
  readonly reading: Reading
  readonly counts: ReadCounts
  readonly clicks: Sorter
  readonly orderRows: Sorter
}

/** Puts the row where it will be sorted; resolves to the fault of one that is no click. */
function takeRow(row: Row, place: Place): Dead | undefined {
  const { file, source, counts, clicks, orderRows } = place
  const { mapping, latestMs } = place.reading
  const ownId = `${source.contentHash}:${row.line}`
  if (row.content.kind === 'dead') return row.content
  if (row.content.kind === 'json') {
    const made = segmentEvent(row.content.json, mapping, latestMs, ownId)
    if (made.kind === 'dead') return made
    const text = lineOf(made.event)
    if (typeof text !== 'string') return text
    if (made.time.zoneless) counts.zoneless++
    clicks.add({ key: made.time.timeMs, file, line: row.line, text })
    return undefined
  }
  const draft = draftOf(row.content.columns, mapping, latestMs, ownId)
  if (draft.kind === 'dead') return draft
  const money = moneyOf(draft, mapping)
  const text = lineOf(eventOf(draft, money, 1))
  if (typeof text !== 'string') return text
  if (draft.zoneless) counts.zoneless++
  if (draft.order !== null) {
    counts.orderRows++
    orderRows.add(orderEntry(draft, draft.order, file, row.line))
    return undefined
  }
  counts.money[money]++
  clicks.add({ key: draft.timeMs, file, line: row.line, text })
  return undefined
}

async function addOrders(
  orderRows: Sorter,
  clicks: Sorter,
  reading: Reading,
  counts: ReadCounts,
  sources: readonly Source[],
): Promise<void> {
  for (const order of addUpOrders(orderRows.sorted())) {
    const { draft, items, file, line } = order
    counts.orders++
    if (order.isMixed) counts.mixedOrders++
    const money = moneyOf(draft, reading.mapping)
    const text = lineOf(eventOf(draft, money, items))
    if (typeof text !== 'string') {
      const row = { line, bytes: Buffer.from(String(draft.order)) }
      const rejected = [rejectedRow(sources[file]!, row, text)]
      count(counts.dead, rejected)
      await reading.reject(rejected)
      continue
    }
    counts.money[money]++
    clicks.add({ key: draft.timeMs, file, line, text })
  }
}

function noCounts(): ReadCounts {
  const money = { plain: 0, 'refund by prefix': 0, 'refund by sign': 0, negative: 0 }
  const counts = { rows: 0, orderRows: 0, orders: 0, mixedOrders: 0, zoneless: 0 }
  return { ...counts, dead: new Map(), money }
}

function count(dead: Map<string, number>, rejected: readonly Rejected[]): void {
  for (const { reason } of rejected) dead.set(reason, (dead.get(reason) ?? 0) + 1)
}

function rejectedRow(source: Source, row: Pick<Row, 'line' | 'bytes'>, fault: Dead): Rejected {
  return {
    file: source.name,
    fileNumber: Number.parseInt(source.contentHash.slice(0, 8), 16),
    line: row.line,
    reason: fault.reason,
    detail: fault.detail,
    bytes: row.bytes.subarray(0, rejectedBytesMax),
  }
}
