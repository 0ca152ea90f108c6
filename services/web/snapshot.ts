/** The page as data: its sections, how each is read from the tables, and how often. Times in epoch ms. */

import type { Store } from '../store/store.ts'
import type { Meter, Rates } from './meter.ts'
import * as figures from './queries.ts'
import { type CohortRow, firstCohort, type Triangle, triangleOf, unitDays } from './triangle.ts'

export interface Total {
  readonly users: number
  readonly money: number
}

export interface RiskUser {
  readonly userId: string
  /** His last activity. */
  readonly sinceMs: number
  /** Null: too few visits to tell. */
  readonly usualGapMs: number | null
  readonly overdue: number
  readonly money: number
  readonly state: string
  readonly segments: readonly string[]
}

export interface Alert {
  readonly messageId: string
  readonly ruleId: string
  readonly userId: string
  readonly status: string
  readonly reason: string
  readonly send: boolean
  /** The silence is one of purchases, not of all activity. */
  readonly ofPurchases: boolean
  readonly thresholdMs: number
  readonly money: number
  readonly sinceMs: number
  readonly clockMs: number
  readonly deliveries: readonly Delivery[]
}

export interface Delivery {
  readonly endpoint: string
  readonly status: string
  readonly attempts: number
  readonly code: number
  readonly nextMs: string | null
}

export interface LifecycleDay {
  readonly day: number
  readonly active: number
  readonly new: number
  readonly returning: number
  readonly resurrecting: number
  readonly dormant: number
}

export interface Snapshot {
  readonly pulse: Rates & {
    readonly clockMs: number | null
    readonly clicks: number
    readonly records: number
    readonly openSessions: number
  }
  readonly setup: { readonly rules: number; readonly endpoints: number; readonly currency: string }
  readonly risk: {
    readonly stages: Record<'inRhythm' | 'slowing' | 'quiet', Total>
    readonly cameBack: Total
    readonly users: readonly RiskUser[]
  }
  readonly alerts: readonly Alert[]
  readonly active: {
    readonly today: number
    readonly week: number
    readonly month: number
    readonly stickiness: number | null
  }
  /** The newest day last; it still runs. */
  readonly lifecycle: readonly LifecycleDay[]
  readonly retention: { readonly day: Triangle; readonly week: Triangle }
  readonly health: {
    readonly partitions: readonly {
      readonly partition: number
      readonly nextOffset: number
      readonly clockMs: number | null
      /** Why alert timers wait there: import, hole, low intake; empty while they do not. */
      readonly held: string
    }[]
    readonly rejects: readonly {
      readonly kind: string
      readonly reason: string
      readonly count: number
    }[]
    /** The last audit; null before the first. By this machine's clock, a replay's project too. */
    readonly audit: {
      readonly agoMs: number
      readonly sessions: number
      readonly differences: number
    } | null
  }
}

/** Where the project stands; read at every beat, as all the rest refers to it. */
export interface Position {
  readonly wallMs: number
  readonly clockMs: number | null
  /** Days since 1970-01-01 in the project's zone; -1 before the first record. */
  readonly today: number
  readonly clicks: number
  readonly records: number
}

export interface Section {
  readonly name: keyof Snapshot
  /** At most so often; a section that takes long is read less often still (live.ts). */
  readonly beatMs: number
  read(store: Store, at: Position, meter: Meter): Promise<Snapshot[keyof Snapshot]>
}

type Row = Record<string, string | number | boolean | null>

export async function readPosition(store: Store, wallMs: number): Promise<Position> {
  const [row] = await store.query<Row>(figures.position.sql)
  const clockMs = optional(row?.clock_ms)
  const today = clockMs === null ? -1 : Number(row?.clock_day)
  return { wallMs, clockMs, today, clicks: Number(row?.clicks), records: Number(row?.records) }
}

export const sections: readonly Section[] = [
  { name: 'pulse', beatMs: 1_000, read: readPulse },
  { name: 'alerts', beatMs: 1_000, read: store => readAlerts(store, figures.latestAlerts.sql) },
  { name: 'risk', beatMs: 2_000, read: readRisk },
  { name: 'active', beatMs: 2_000, read: readActive },
  { name: 'setup', beatMs: 3_000, read: readSetup },
  { name: 'lifecycle', beatMs: 2_000, read: readLifecycle },
  { name: 'health', beatMs: 5_000, read: readHealth },
  { name: 'retention', beatMs: 5_000, read: readRetention },
]

async function readPulse(store: Store, at: Position, meter: Meter): Promise<Snapshot['pulse']> {
  const [row] = await store.query<Row>(figures.openSessions.sql)
  const { clockMs, clicks, records } = at
  return { ...meter.see(at), clockMs, clicks, records, openSessions: Number(row?.open) }
}

async function readRisk(store: Store, at: Position): Promise<Snapshot['risk']> {
  const stages = { inRhythm: nobody, slowing: nobody, quiet: nobody }
  for (const row of await store.query<Row>(figures.riskByStage.sql))
    stages[row.stage as keyof typeof stages] = total(row)
  const users = await store.query<Row & { segments: string[] }>(figures.riskUsers.sql)
  const [back] = await store.query<Row>(figures.cameBack.sql, { clock_ms: at.clockMs ?? 0 })
  return { stages, cameBack: back ? total(back) : nobody, users: users.map(riskUser) }
}

function riskUser(row: Row & { segments: string[] }): RiskUser {
  return {
    userId: String(row.user_id),
    sinceMs: Number(row.since_ms),
    usualGapMs: optional(row.usual_gap_ms),
    overdue: Number(row.overdue),
    money: Number(row.money),
    state: String(row.state),
    segments: row.segments,
  }
}

export async function readAlerts(store: Store, sql: string, params = {}): Promise<Alert[]> {
  const rows = await store.query<Row & { deliveries: Delivery[] }>(sql, params)
  return rows.map(row => ({
    messageId: String(row.message_id),
    ruleId: String(row.rule_id),
    userId: String(row.user_id),
    status: String(row.status),
    reason: String(row.reason),
    send: Boolean(row.send),
    ofPurchases: Boolean(row.of_purchases),
    thresholdMs: Number(row.threshold_ms),
    money: Number(row.money),
    sinceMs: Number(row.since_ms),
    clockMs: Number(row.clock_ms),
    deliveries: row.deliveries,
  }))
}

async function readActive(store: Store, at: Position): Promise<Snapshot['active']> {
  const [row] = await store.query<Row>(figures.activeUsers.sql, { today: at.today })
  const [today, week, month] = [Number(row?.today), Number(row?.week), Number(row?.month)]
  const days = Math.min(30, at.today - Number(row?.first_day) + 1)
  const stickiness = month === 0 ? null : Number(row?.user_days) / days / month
  return { today, week, month, stickiness }
}

async function readSetup(store: Store): Promise<Snapshot['setup']> {
  const [row] = await store.query<Row>(figures.setup.sql)
  const { rules, endpoints, currency } = row ?? {}
  return { rules: Number(rules), endpoints: Number(endpoints), currency: String(currency) }
}

async function readLifecycle(store: Store, at: Position): Promise<Snapshot['lifecycle']> {
  if (at.today < 0) return []
  const rows = await store.query<Row>(figures.lifecycle.sql, { today: at.today })
  const byDay = new Map(rows.map(row => [Number(row.day), row]))
  return Array.from({ length: figures.lifecycleDays }, (_, index) => {
    const day = at.today - figures.lifecycleDays + 1 + index
    const count = (name: string) => Number(byDay.get(day)?.[name] ?? 0)
    const [returning, resurrecting] = [count('returning'), count('resurrecting')]
    const [active, dormant] = [count('active'), count('dormant')]
    return { day, active, new: count('new'), returning, resurrecting, dormant }
  })
}

async function readRetention(store: Store, at: Position): Promise<Snapshot['retention']> {
  const triangle = async (unit: Triangle['unit']) => {
    const params = { today: at.today, unit: unitDays[unit], from: firstCohort(at.today, unit) }
    const rows = at.today < 0 ? [] : await store.query<Row>(figures.retention.sql, params)
    return triangleOf(rows.map(cohortRow), at.today, unit)
  }
  return { day: await triangle('day'), week: await triangle('week') }
}

function cohortRow(row: Row): CohortRow {
  return { cohort: Number(row.cohort), step: Number(row.step), users: Number(row.users) }
}

async function readHealth(store: Store, at: Position): Promise<Snapshot['health']> {
  const partitions = await store.query<Row>(figures.partitions.sql)
  const rejects = await store.query<Row>(figures.rejects.sql)
  const [audit] = await store.query<Row>(figures.audit.sql)
  return {
    partitions: partitions.map(row => ({
      partition: Number(row.partition),
      nextOffset: Number(row.next_offset),
      clockMs: optional(row.clock_ms),
      held: String(row.held),
    })),
    rejects: rejects.map(row => ({
      kind: String(row.kind),
      reason: String(row.reason),
      count: Number(row.count),
    })),
    audit: audit
      ? {
          agoMs: Math.max(0, at.wallMs - Number(audit.started_ms)),
          sessions: Number(audit.sessions),
          differences: Number(audit.differences),
        }
      : null,
  }
}

const nobody: Total = { users: 0, money: 0 }

function total(row: Row): Total {
  return { users: Number(row.users), money: Number(row.money ?? 0) }
}

function optional(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value)
}
