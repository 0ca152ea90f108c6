/** Two runs over one log, row by row and alert by alert. */
import type { Log, NewRecord } from '../../services/log/log.ts'
import type { Store } from '../../services/store/store.ts'
import { readTables } from '../processor/fold-all.ts'
import type { Project } from '../real/project.ts'
import { alertBytes, alertsTopic, clicksTopic } from '../servers/compare.ts'

const readBytes = 1 << 20

/** The records of Kafka's log on the project's own, at the same offsets and with the same times. */
export async function copyLog(log: Log, project: Project): Promise<number> {
  let copied = 0
  for (let partition = 0; partition < project.partitions; partition++) {
    const { startOffset, endOffset } = await log.bounds(clicksTopic, partition)
    let batch: NewRecord[] = []
    let next = startOffset
    // What came in at one moment goes in at once; each other moment is an append of its own.
    const put = async () => {
      if (batch.length === 0) return
      const offset = await project.log.append('clicks', partition, batch)
      if (offset + batch.length !== next) throw new Error(`Offset ${next} became another.`)
      copied += batch.length
      batch = []
    }
    while (next < endOffset)
      for (const record of await log.read(clicksTopic, partition, next, readBytes)) {
        if (record.appendMs !== project.nowMs) await put()
        project.nowMs = record.appendMs
        batch.push(record)
        next = record.offset + 1
      }
    await put()
  }
  return copied
}

/** Differences as sentences, and how many rows were compared. */
export async function differencesOf(
  servers: { readonly log: Log; readonly store: Store },
  single: Project,
): Promise<{ rows: Record<string, number>; differences: string[] }> {
  const [found, expected] = [await readTables(servers.store), await readTables(single.store)]
  const rows: Record<string, number> = {}
  const differences: string[] = []
  for (const [table, of] of Object.entries(expected)) {
    rows[table] = of.length
    compare(table, texts(found[table]!), texts(of), differences)
  }
  const messages = await alertBytes(servers.log, alertsTopic)
  const own = await alertBytes(single.log, 'alerts')
  rows.messages = own.size
  compare('messages', messageTexts(messages), messageTexts(own), differences)
  for (const [id, bodies] of messages)
    if (bodies.size > 1) differences.push(`message ${id} has ${bodies.size} bodies`)
  return { rows, differences }
}

/** Rows as text; only the topic's name is another on servers. */
function texts(rows: readonly unknown[]): string[] {
  return rows.map(row => {
    const { topic: _, ...rest } = row as Record<string, unknown>
    return JSON.stringify(rest)
  })
}

function messageTexts(messages: Map<string, Set<string>>): string[] {
  return [...messages].flatMap(([id, bodies]) => [...bodies].map(body => `${id} ${body}`))
}

function compare(
  name: string,
  found: readonly string[],
  expected: readonly string[],
  differences: string[],
): void {
  const [left, right] = [new Set(found), new Set(expected)]
  if (found.length !== expected.length)
    differences.push(`${name}: ${found.length} rows, expected ${expected.length}`)
  for (const text of left) if (!right.has(text)) differences.push(`${name}: not expected: ${text}`)
  for (const text of right) if (!left.has(text)) differences.push(`${name}: missing: ${text}`)
}

/** To be held against what is known of the files. */
export async function figuresOf(
  store: Store,
): Promise<{ sessions: number; users: number; firedAfter25Days: number; alerts: number }> {
  const [row] = await store.query<Record<string, string>>(
    `SELECT (SELECT count() FROM sessions FINAL) AS sessions,
            (SELECT count() FROM users FINAL) AS users,
            (SELECT countIf(rule_id = 'quiet25' AND status = 'fired') FROM alerts FINAL) AS fired25,
            (SELECT uniqExact(alert_id) FROM alerts FINAL) AS alerts`,
  )
  return {
    sessions: Number(row!.sessions),
    users: Number(row!.users),
    firedAfter25Days: Number(row!.fired25),
    alerts: Number(row!.alerts),
  }
}
