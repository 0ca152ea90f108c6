/**
 * What the processor's tables say, as the lines of `ebb pipe`: from columns to JSON, with no code of the
 * pipe's or the fold's in between. Sorted as text, since tables have no order.
 */
import { readTime } from '../../services/store/rows.ts'
import type { Store } from '../../services/store/store.ts'

type Row = Record<string, string>

const time = (text: string | null) => (text === null ? null : readTime(text))
const number = (text: string | number | null) => (text === null ? null : Number(text))
const rounded = (value: string | number | null) =>
  value === null ? null : Math.round(Number(value) * 1e6) / 1e6

/** Final sessions, alerts, and every user's signals at the clock of the partition. */
export async function tableLines(store: Store, partition: number): Promise<string[]> {
  const ask = (sql: string) =>
    store.query<Row>(sql, { partition }) as Promise<(Row & { covers_ms: string[] })[]>
  const sessions = await ask(
    'SELECT * FROM sessions FINAL WHERE final AND partition = {partition:UInt16}',
  )
  const alerts = await ask('SELECT * FROM alerts FINAL WHERE partition = {partition:UInt16}')
  const users = await ask(
    'SELECT * FROM users_now WHERE first_seen IS NOT NULL AND partition = {partition:UInt16}',
  )
  const lines = [...sessions.map(sessionText), ...alerts.map(alertText), ...users.map(userText)]
  return lines.sort()
}

function sessionText(row: Row): string {
  const session = {
    id: row.session_id,
    userId: row.user_id,
    start: time(row.start!),
    end: time(row.end!),
    clicks: number(row.clicks!),
    final: true,
    part: number(row.part!),
    first: row.first_event,
    last: row.last_event,
    value: number(row.value!),
  }
  return JSON.stringify({ session })
}

function alertText(row: Row & { covers_ms: string[] }): string {
  const alert = {
    id: row.alert_id,
    message: row.message_id,
    rule: row.rule_id,
    version: number(row.rule_version!),
    userId: row.user_id,
    status: row.status,
    since: time(row.since!),
    due: time(row.due!),
    threshold: number(row.threshold_ms!),
    covers: row.covers_ms.map(Number),
    ...(row.reason === '' ? {} : { reason: row.reason }),
  }
  return JSON.stringify({ alert })
}

function userText(row: Row): string {
  const user = {
    userId: row.user_id,
    firstSeen: time(row.first_seen!),
    lastSeen: time(row.last_seen!),
    lastPurchase: time(row.last_purchase!),
    activeDays7: number(row.active_days_7!),
    activeDays28: number(row.active_days_28!),
    activeDays90: number(row.active_days_90!),
    sessions: number(row.sessions!),
    clicks: number(row.clicks!),
    meanSessionMs: rounded(row.mean_session_ms!),
    bounceShare: rounded(row.bounce_share!),
    lastEvent: row.last_event,
    orders90: number(row.orders_90!),
    value90: number(row.value_90!),
    usualGapMs: number(row.usual_gap_ms!),
    quietRatio: rounded(row.quiet_ratio!),
    tier: row.tier === '' ? null : row.tier,
    state: row.state,
  }
  return JSON.stringify({ user })
}
