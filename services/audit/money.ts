/**
 * Orders and refunds once more, by a plain reading of the rule, from the rows of `clicks`: which orders count,
 * what a refund takes from which order, and what the user's value is. Against `clicks` and `users`.
 */
import { toMinor } from '../processor/fold/money.ts'
import { readMoney } from '../store/rows.ts'
import { clicksQuery, inRange, type Look, movingUsers, twiceQuery } from './range.ts'
import { type Difference, timeText } from './source.ts'

const windowMs = 90 * 86_400_000
const orderNames = ['Order Completed', 'purchase', 'purchased']

interface MoneyRow {
  readonly user_id: string
  readonly event_id: string
  readonly name: string
  readonly ts: string
  readonly clock_ms: string
  readonly value: number | null
  readonly order_id: string | null
  readonly purchase: boolean
  readonly amount: string
  readonly verdict: string
}

interface Order {
  readonly key: string
  readonly timeMs: number
  readonly isOrder: boolean
  amountMinor: number
}

/** One user's orders and refunds in the order they came in. */
interface Ledger {
  readonly entries: Order[]
  readonly refunds: Set<string>
}

function held(ledger: Ledger, key: string, clockMs: number): Order | undefined {
  return ledger.entries.find(
    entry => entry.isOrder && entry.key === key && entry.timeMs > clockMs - windowMs,
  )
}

/** Takes the row into the ledger; what the row should say it moved, as its columns do. */
function take(ledger: Ledger, row: MoneyRow): { purchase: boolean; amountMinor: number } {
  const clockMs = Number(row.clock_ms)
  const timeMs = Number(row.ts)
  const amountMinor = row.value !== null && row.value > 0 ? toMinor(row.value) : 0
  if (orderNames.includes(row.name)) {
    const key = row.order_id ?? row.event_id
    if (held(ledger, key, clockMs)) return { purchase: false, amountMinor: 0 }
    ledger.entries.push({ key, timeMs, isOrder: true, amountMinor })
    return { purchase: true, amountMinor }
  }
  if (ledger.refunds.has(row.event_id)) return { purchase: false, amountMinor: 0 }
  ledger.refunds.add(row.event_id)
  const order = row.order_id === null ? undefined : held(ledger, row.order_id, clockMs)
  if (order) order.amountMinor -= amountMinor
  else ledger.entries.push({ key: row.event_id, timeMs, isOrder: false, amountMinor: -amountMinor })
  return { purchase: false, amountMinor: amountMinor === 0 ? 0 : -amountMinor }
}

function valueAt(entries: readonly Order[], timeMs: number): number {
  const within = entries.filter(entry => entry.timeMs > timeMs - windowMs && entry.timeMs <= timeMs)
  return Math.max(
    0,
    within.reduce((sum, entry) => sum + entry.amountMinor, 0),
  )
}

interface UserMoney {
  readonly user_id: string
  readonly last_seen: string
  readonly value_at_silence: string
  readonly times: readonly string[]
  readonly amounts: readonly string[]
  readonly partition: number
}

export async function compareMoney(look: Look): Promise<Difference[]> {
  const { store } = look.source
  const rows = await store.query<MoneyRow>(
    `SELECT user_id, event_id, name, ts, clock_ms, value, order_id, purchase, amount, verdict FROM (${clicksQuery(look)})
     WHERE type = 'track' AND name IN ('Order Completed', 'purchase', 'purchased', 'Order Refunded', 'refund')
       AND user_id NOT IN (${twiceQuery(look)})
     ORDER BY user_id, ord`,
  )
  const ledgers = new Map<string, Ledger>()
  const differences: Difference[] = []
  for (const row of rows) {
    let ledger = ledgers.get(row.user_id)
    if (!ledger) {
      ledger = { entries: [], refunds: new Set() }
      ledgers.set(row.user_id, ledger)
    }
    const { purchase, amountMinor } = take(ledger, row)
    // What was bought before the horizon may decide it, and is gone.
    if (Number(row.clock_ms) - windowMs <= look.horizonMs) continue
    if (purchase === row.purchase && amountMinor === readMoney(row.amount)) continue
    differences.push({
      kind: 'users',
      where: `money of click ${row.event_id} of user ${row.user_id} at ${timeText(Number(row.ts))}`,
      is: moneyText(row.purchase, readMoney(row.amount)),
      should: moneyText(purchase, amountMinor),
    })
  }
  return [...differences, ...(await compareValues(look, ledgers))]
}

function moneyText(purchase: boolean, amountMinor: number): string {
  return `${purchase ? 'a counted order' : 'no counted order'}, amount ${amountMinor / 10_000}`
}

/** The money of the last 90 days at the clock, and of those before the last activity. */
async function compareValues(
  look: Look,
  ledgers: ReadonlyMap<string, Ledger>,
): Promise<Difference[]> {
  const rows = await look.source.store.query<UserMoney>(
    `SELECT user_id, toUnixTimestamp64Milli(ifNull(last_seen, toDateTime64(0, 3))) AS last_seen, value_at_silence,
            arrayMap(time -> toUnixTimestamp64Milli(time), money_times) AS times, money_amounts AS amounts,
            slot % ${look.source.partitions} AS partition
     FROM users FINAL
     WHERE ${inRange(look)} AND user_id NOT IN (${movingUsers(look)}) AND user_id NOT IN (${twiceQuery(look)})`,
  )
  const clocks = new Map(look.points.map(point => [point.partition, point.clockMs]))
  const differences: Difference[] = []
  for (const row of rows) {
    const clockMs = clocks.get(Number(row.partition)) ?? 0
    const lastSeenMs = Number(row.last_seen)
    // An order and its refund lie within 90 days of each other, and so does what is summed.
    if (Math.min(clockMs, lastSeenMs) - 2 * windowMs <= look.horizonMs) continue
    const kept = row.times.map((time, at) => ({
      key: '',
      isOrder: true,
      timeMs: Number(time),
      amountMinor: readMoney(row.amounts[at]!),
    }))
    const entries = ledgers.get(row.user_id)?.entries ?? []
    const found = [valueAt(kept, clockMs), readMoney(row.value_at_silence)]
    const wanted = [valueAt(entries, clockMs), lastSeenMs === 0 ? 0 : valueAt(entries, lastSeenMs)]
    if (found[0] === wanted[0] && found[1] === wanted[1]) continue
    differences.push({
      kind: 'users',
      where: `value of user ${row.user_id}`,
      is: valueText(found),
      should: valueText(wanted),
    })
  }
  return differences
}

function valueText([value, atSilence]: readonly number[]): string {
  return `${value! / 10_000} in the last 90 days, ${atSilence! / 10_000} in those before the last activity`
}
