/** One user, for the panel that opens on a click: his signals, last sessions and alerts. */

import { slotOf } from '../base/slot.ts'
import type { Store } from '../store/store.ts'
import { oneUser } from './queries.ts'
import { type Alert, readAlerts } from './snapshot.ts'

export interface UserDetail {
  readonly user: {
    readonly userId: string
    readonly clockMs: number
    readonly firstSeenMs: number | null
    readonly lastSeenMs: number | null
    readonly lastPurchaseMs: number | null
    readonly lastEvent: string
    readonly quietMs: number | null
    readonly usualGapMs: number | null
    readonly quietRatio: number | null
    readonly activeDays: { readonly 7: number; readonly 28: number; readonly 90: number }
    readonly clicks: number
    readonly sessions: number
    readonly meanSessionMs: number | null
    readonly bounceShare: number | null
    readonly orders90: number
    readonly value90: number
    readonly moneyAtStake: number
    readonly tier: string
    readonly state: string
    readonly segments: readonly string[]
  }
  /** The day of his clock, and the days of the last 91 on which he was active. */
  readonly today: number
  readonly days: readonly {
    readonly day: number
    readonly clicks: number
    readonly money: number
  }[]
  readonly sessions: readonly {
    readonly startMs: number
    readonly endMs: number
    readonly clicks: number
    readonly firstEvent: string
    readonly lastEvent: string
    readonly money: number
    readonly final: boolean
  }[]
  readonly alerts: readonly Alert[]
}

const dayMs = 86_400_000

type Row = Record<string, string | number | boolean | null>

/** Undefined for a user whom no processor has seen. */
export async function readUser(store: Store, userId: string): Promise<UserDetail | undefined> {
  const params = { slot: slotOf(userId), user: userId }
  const [row] = await store.query<Row & { segments: string[] }>(oneUser.signals, params)
  if (!row) return undefined
  const today = Math.floor(Number(row.clock_ms) / dayMs)
  const days = await store.query<Row>(oneUser.days, { ...params, today })
  const sessions = await store.query<Row>(oneUser.sessions, params)
  const alerts = await readAlerts(store, oneUser.alerts, { user: userId })
  return {
    user: signals(row),
    today,
    days: days.map(activeDay),
    sessions: sessions.map(session),
    alerts,
  }
}

function signals(row: Row & { segments: string[] }): UserDetail['user'] {
  return {
    userId: String(row.user_id),
    clockMs: Number(row.clock_ms),
    firstSeenMs: optional(row.first_seen_ms),
    lastSeenMs: optional(row.last_seen_ms),
    lastPurchaseMs: optional(row.last_purchase_ms),
    lastEvent: String(row.last_event),
    quietMs: optional(row.quiet_ms),
    usualGapMs: optional(row.usual_gap_ms),
    quietRatio: optional(row.quiet_ratio),
    activeDays: {
      7: Number(row.active_days_7),
      28: Number(row.active_days_28),
      90: Number(row.active_days_90),
    },
    clicks: Number(row.clicks),
    sessions: Number(row.sessions),
    meanSessionMs: optional(row.mean_session_ms),
    bounceShare: optional(row.bounce_share),
    orders90: Number(row.orders_90),
    value90: Number(row.value_90),
    moneyAtStake: Number(row.value_at_silence),
    tier: String(row.tier),
    state: String(row.state),
    segments: row.segments,
  }
}

function activeDay(row: Row): UserDetail['days'][number] {
  return { day: Number(row.on_day), clicks: Number(row.clicks), money: Number(row.money) }
}

function session(row: Row): UserDetail['sessions'][number] {
  return {
    startMs: Number(row.start_ms),
    endMs: Number(row.end_ms),
    clicks: Number(row.clicks),
    firstEvent: String(row.first_event),
    lastEvent: String(row.last_event),
    money: Number(row.money),
    final: Boolean(row.final),
  }
}

function optional(value: string | number | boolean | null | undefined): number | null {
  return value === null || value === undefined ? null : Number(value)
}
