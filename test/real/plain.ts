/** The questions of docs/examples.md about orders, answered in plain TypeScript from the file's invoices. */
import type { Project } from './project.ts'

const dayMs = 86_400_000

export interface Order {
  readonly user: string
  readonly timeMs: number
  readonly refund: boolean
  readonly amount: number
}

/** In order of time. */
export async function readOrders(project: Project): Promise<Order[]> {
  const rows = await project.store.query<
    Record<'user_id' | 'at' | 'amount', string> & { refund: 0 | 1 }
  >('SELECT user_id, toUnixTimestamp(at) AS at, refund, amount FROM raw.orders ORDER BY at, n')
  return rows.map(({ user_id, at, refund, amount }) => ({
    user: user_id,
    timeMs: Number(at) * 1000,
    refund: refund === 1,
    amount: Number(amount),
  }))
}

function monthOf(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 7)}-01`
}

function monthsBetween(from: string, to: string): number {
  const count = (month: string) => Number(month.slice(0, 4)) * 12 + Number(month.slice(5, 7))
  return count(to) - count(from)
}

/** Those who ordered again, by the month of their first order and the months since. */
export function cohortsOf(orders: readonly Order[], todayMs: number): Record<string, unknown>[] {
  const cohorts = new Map<string, { users: number; returns: Map<string, number> }>()
  const purchases = orders.filter(({ refund }) => !refund)
  for (const own of Map.groupBy(purchases, ({ user }) => user).values()) {
    const [first, ...later] = new Set(own.map(({ timeMs }) => monthOf(timeMs)))
    const cohort = cohorts.get(first!) ?? { users: 0, returns: new Map() }
    cohorts.set(first!, cohort)
    cohort.users++
    for (const month of later) cohort.returns.set(month, (cohort.returns.get(month) ?? 0) + 1)
  }
  return [...cohorts].sort().flatMap(([cohort, { users, returns }]) =>
    [...returns].sort().map(([month, came_back]) => {
      const after = new Date(month)
      return {
        cohort,
        users,
        months_later: monthsBetween(cohort, month),
        came_back,
        percent: Math.round((1000 * came_back) / users) / 10,
        complete: after.setUTCMonth(after.getUTCMonth() + 1) <= todayMs ? 1 : 0,
      }
    }),
  )
}

function median(sorted: readonly number[]): number {
  const { length } = sorted
  return (sorted[(length - 1) >> 1]! + sorted[length >> 1]!) / 2
}

/** In days, of at least five gaps within 90 days; NaN: unknown. */
function usualGap(purchases: readonly Order[], clockMs: number): number {
  const day = (timeMs: number) => Math.floor(timeMs / dayMs)
  const days = [...new Set(purchases.map(({ timeMs }) => day(timeMs)))]
  const recent = days.filter(one => one > day(clockMs) - 90)
  const gaps = recent.slice(1).map((one, at) => one - recent[at]!)
  return gaps.length < 5 ? Number.NaN : median(gaps.sort((left, right) => left - right))
}

/** Of the high-value users those who are going quiet; the most money first. */
export function atRisk(
  orders: readonly Order[],
  high: ReadonlySet<string>,
  clockMs: number,
): Record<string, unknown>[] {
  const known = orders.filter(({ user, timeMs }) => timeMs <= clockMs && high.has(user))
  const rows = [...Map.groupBy(known, ({ user }) => user)].map(([user_id, own]) => {
    const purchases = own.filter(({ refund }) => !refund)
    const lastMs = purchases.at(-1)!.timeMs
    const window = own.filter(({ timeMs }) => timeMs > lastMs - 90 * dayMs && timeMs <= lastMs)
    const minor = window.reduce((sum, { amount }) => sum + Math.round(amount * 10_000), 0)
    const gap = usualGap(purchases, clockMs)
    const quiet = (clockMs - lastMs) / dayMs
    const ratio = quiet / gap
    return {
      user_id,
      state: quiet >= 25 ? 'churned' : ratio > 3 ? 'quiet' : ratio > 1.5 ? 'slowing' : 'well',
      at_stake: Math.max(minor, 0) / 10_000,
      last_purchase_day: new Date(lastMs).toISOString().slice(0, 10),
      quiet_days: Math.floor(quiet),
      usual_gap_days: Number.isNaN(gap) ? null : Math.floor(gap),
    }
  })
  return rows
    .filter(({ state }) => state !== 'well')
    .sort(
      (left, right) => right.at_stake - left.at_stake || (left.user_id < right.user_id ? -1 : 1),
    )
}
