/** The rows of one order, wherever they stand in whichever file, as one click. */
import { add } from './decimal.ts'
import type { Draft } from './draft.ts'
import type { Entry } from './sorter.ts'

export interface Order {
  /** The first row's, with the sum of all amounts, the earliest time, and the order's own id. */
  readonly draft: Draft
  readonly items: number
  /** Of its first row. */
  readonly file: number
  readonly line: number
  /** Its rows name more than one user; the first row's has it. */
  readonly isMixed: boolean
}

/** An order's rows stand together when sorted by this. */
export function orderEntry(draft: Draft, order: string, file: number, line: number): Entry {
  return { key: order, file, line, text: pack(draft) }
}

/** `entries` are sorted: by order, then as they stand in the files. */
export function* addUpOrders(entries: Iterable<Entry>): Generator<Order> {
  let first: Entry | undefined
  let order: Order | undefined
  for (const entry of entries) {
    const draft = unpack(entry.text)
    if (order && first?.key === entry.key) {
      order = withRow(order, draft)
      continue
    }
    if (order) yield order
    first = entry
    order = { draft: opened(draft), items: 1, file: entry.file, line: entry.line, isMixed: false }
  }
  if (order) yield order
}

/**
 * The order names the click, not the row: so files may be given in another order, and the click keeps its
 * identity. An id from the file stands.
 */
function opened(draft: Draft): Draft {
  return draft.isNamed ? draft : { ...draft, messageId: `order:${draft.order}` }
}

function withRow(order: Order, row: Draft): Order {
  const { draft } = order
  const { amount } = draft
  return {
    ...order,
    items: order.items + 1,
    isMixed: order.isMixed || row.userId !== draft.userId,
    draft: {
      ...draft,
      timeMs: Math.min(draft.timeMs, row.timeMs),
      amount: amount && row.amount ? add(amount, row.amount) : (amount ?? row.amount),
    },
  }
}

/** JSON has no bigint, so the units travel as text. */
function pack(draft: Draft): string {
  const { amount } = draft
  return JSON.stringify({ ...draft, amount: amount && { ...amount, units: String(amount.units) } })
}

function unpack(text: string): Draft {
  const draft = JSON.parse(text)
  const { amount } = draft
  return { ...draft, amount: amount && { ...amount, units: BigInt(amount.units) } }
}
