/** Orders and refunds of a user, in 1/10000 of the project's currency ("minor"), always integers. */

export const windowMs = 90 * 86_400_000

/** Above this an amount is no money but a mistake: sums would lose their last digits. */
export const amountMax = 9e11

export interface LedgerEntry {
  /** The order's id, or the message id of a refund that names no held order. */
  readonly key: string
  readonly order: boolean
  readonly timeMs: number
  /** Of an order: what is left of it after refunds. Of a refund: negative. */
  amountMinor: number
  /** Message ids of the refunds that reduced this order: each counts once. */
  refunds: readonly string[]
}

/** Decimals of the currency to minor units, halves away from zero, judged by the decimal as written. */
export function toMinor(amount: number): number {
  if (!(Math.abs(amount) <= amountMax)) return 0
  const scaled = amount * 10_000
  const nearest = Math.round(scaled)
  // Only close to a half can binary rounding differ from that of the decimal digits.
  if (Math.abs(Math.abs(scaled - nearest) - 0.5) > 1e-6 * Math.max(1, Math.abs(scaled) * 1e-9))
    return nearest === 0 ? 0 : nearest
  const [mantissa, exponent = '0'] = Math.abs(amount).toString().split('e')
  const [whole = '', fraction = ''] = mantissa!.split('.')
  const shift = Number(exponent) + 4
  const digits = whole + fraction
  const point = whole.length + shift
  const kept = point <= 0 ? 0 : Number(digits.padEnd(point, '0').slice(0, point))
  const roundsUp = point >= 0 && (digits[point] ?? '0') >= '5'
  const minor = kept + (roundsUp ? 1 : 0)
  return amount < 0 && minor !== 0 ? -minor : minor
}

/** The order or refund that an event name stands for. */
export function moneyKind(name: string): 'order' | 'refund' | undefined {
  switch (name) {
    case 'Order Completed':
    case 'purchase':
    case 'purchased':
      return 'order'
    case 'Order Refunded':
    case 'refund':
      return 'refund'
    default:
      return undefined
  }
}

/** The net value of (t - 90 d, t], not below 0. */
export function valueAt(ledger: readonly LedgerEntry[], timeMs: number): number {
  let sum = 0
  for (const entry of ledger)
    if (entry.timeMs > timeMs - windowMs && entry.timeMs <= timeMs) sum += entry.amountMinor
  return Math.max(sum, 0)
}

/** The orders of (t - 90 d, t]. */
export function ordersAt(ledger: readonly LedgerEntry[], timeMs: number): number {
  let count = 0
  for (const entry of ledger)
    if (entry.order && entry.timeMs > timeMs - windowMs && entry.timeMs <= timeMs) count++
  return count
}

/** The order of that id among those of the 90 days before the clock. */
export function heldOrder(
  ledger: readonly LedgerEntry[],
  key: string,
  clockMs: number,
): LedgerEntry | undefined {
  for (const entry of ledger)
    if (entry.order && entry.key === key && entry.timeMs > clockMs - windowMs) return entry
  return undefined
}

/** Whether a refund of that message id is already in the ledger. */
export function refundKnown(ledger: readonly LedgerEntry[], messageId: string): boolean {
  for (const entry of ledger)
    if (entry.order ? entry.refunds.includes(messageId) : entry.key === messageId) return true
  return false
}

/** Drops what no window can see any more: neither that of the clock nor those that silences froze. */
export function pruneLedger(ledger: LedgerEntry[], oldestNeededMs: number): void {
  let kept = 0
  for (const entry of ledger) if (entry.timeMs > oldestNeededMs - windowMs) ledger[kept++] = entry
  ledger.length = kept
}
