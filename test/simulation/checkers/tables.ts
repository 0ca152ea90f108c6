/** I2 and I9: every table, row by row, is as if nothing had gone wrong, and sessions are as `ebb pipe` has them. */
import { restoreUser } from '../../../services/processor/fold/user-row.ts'
import type { Row, Tables } from '../clickhouse/tables.ts'
import type { Evidence } from '../evidence.ts'
import { clicksTopic } from '../plan.ts'
import { erasuresOn } from './erasures.ts'
import type { Reference } from './reference.ts'

/** By table: what identifies a row, and what may differ. */
const compared: Readonly<Record<string, { key: readonly string[]; free: readonly string[] }>> = {
  clicks: { key: ['user_id', 'timestamp', 'event_id'], free: [] },
  rejects: { key: ['partition', 'offset', 'index'], free: [] },
  sessions: { key: ['user_id', 'session_id', 'part'], free: [] },
  users: { key: ['user_id'], free: [] },
  // An older day is counted again at each flush with a late click of it: its version says at which.
  user_days: { key: ['day', 'user_id'], free: ['version'] },
  alerts: { key: ['message_id'], free: [] },
  progress: { key: ['topic', 'partition'], free: ['written_at'] },
}

/** So many differences of a table are named. */
const namedMax = 2

export function checkTables({ tables }: Evidence, reference: Reference): string[] {
  return Object.keys(compared).flatMap(table => {
    const found = rowsOf(tables, table)
    const expected = rowsOf(reference.tables, table)
    const wrong: string[] = []
    for (const [key, row] of expected)
      if (found.get(key) !== row)
        wrong.push(`I2: ${table} ${key} is ${found.get(key) ?? 'missing'} and should be ${row}`)
    for (const [key, row] of found)
      if (!expected.has(key)) wrong.push(`I2: ${table} ${key} should not be: ${row}`)
    return wrong.slice(0, namedMax)
  })
}

function rowsOf(tables: Tables, table: string): Map<string, string> {
  const { key, free } = compared[table]!
  const rows = new Map<string, string>()
  for (const row of tables.rows(table)) {
    if (table === 'rejects' && row.source !== 'log') continue
    if (table === 'progress' && row.topic !== clicksTopic) continue
    rows.set(key.map(column => row[column]).join(' '), textOf(row, free))
  }
  return rows
}

function textOf(row: Row, free: readonly string[]): string {
  return JSON.stringify(row, (column, value) => (free.includes(column) ? undefined : value))
}

export function checkSessions({ tables, topics }: Evidence, { sessions }: Reference): string[] {
  const erased = erasuresOn(topics)
  const found = new Map<string, string>()
  for (const row of tables.rows('sessions')) {
    if (!row.final || erased.has(String(row.user_id))) continue
    const facts = [row.user_id, row.start, row.end, row.clicks, row.first_event, row.last_event]
    found.set(`${row.session_id} ${row.part}`, [...facts, Number(row.value)].join(' '))
  }
  const wrong: string[] = []
  for (const { id, part, userId, start, end, clicks, first, last, value } of sessions) {
    if (erased.has(userId)) continue
    const key = `${id} ${part}`
    const expected = [userId, start, end, clicks, first, last, value].join(' ')
    if (found.get(key) !== expected)
      wrong.push(`I2: session ${key} is ${found.get(key) ?? 'missing'}; the pipe has ${expected}`)
    found.delete(key)
  }
  for (const [key, facts] of found) wrong.push(`I2: session ${key} is not in the pipe: ${facts}`)
  return wrong.slice(0, namedMax)
}

/** What a user's row says is open has a row of its own, and nothing else that is not final has. */
export function checkOpenSessions({ tables }: Evidence): string[] {
  const found = new Set(
    tables
      .rows('sessions')
      .flatMap(row => (row.final ? [] : [openText(row.user_id, row.session_id, row)])),
  )
  const wrong: string[] = []
  for (const user of tables.rows('users'))
    for (const { id, part, startMs, endMs, clicks } of restoreUser('', String(user.state), 0)
      .open) {
      const text = openText(user.user_id, id, { part, start: startMs, end: endMs, clicks })
      if (!found.delete(text)) wrong.push(`I2: the open session ${text} has no row`)
    }
  for (const text of found) wrong.push(`I2: there is a row of ${text}, which is not open`)
  return wrong.slice(0, namedMax)
}

function openText(user: unknown, id: unknown, { part, start, end, clicks }: Row): string {
  return [user, id, part, start, end, clicks].join(' ')
}
