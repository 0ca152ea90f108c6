/** The tables against the pure fold of each partition's dump: no loss, no double, no second alert. */
import assert from 'node:assert/strict'
import { readNextOffsets } from '../../services/control/standing.ts'
import { decodeAlert } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { dumpPartition } from '../../services/processor/dump.ts'
import { runPipe } from '../../services/processor/pipe/run.ts'
import { readEpochs } from '../../services/rebuild/epochs.ts'
import type { Store } from '../../services/store/store.ts'

export const clicksTopic = 'ebb.clicks'
export const alertsTopic = 'ebb.alerts'
const readBytes = 1 << 20

/** What the fold alone makes of the log as it stands. */
export async function expectedOf(log: Log) {
  const sessions = new Map<string, string>()
  const alerts = new Set<string>()
  const accounts = { accepted: 0, late: 0, aside: 0, duplicate: 0, quarantined: 0, dead: 0 }
  for (let partition = 0; partition < (await log.partitions(clicksTopic)); partition++) {
    const lines: string[] = []
    const count = { lines: 0, dead: 0 }
    for await (const line of dumpPartition(log, clicksTopic, partition, 0, count)) lines.push(line)
    for (const line of runPipe(lines, ['--clock', 'log', '--no-flush', '--summary'])) {
      const { session, alert, summary } = JSON.parse(line)
      if (session)
        sessions.set(`${session.id} ${session.part}`, `${session.userId} ${session.clicks}`)
      if (alert) alerts.add(alert.message)
      if (!summary) continue
      for (const fate of Object.keys(accounts) as (keyof typeof accounts)[])
        accounts[fate] += summary[fate]
    }
    accounts.dead += count.dead
  }
  return { sessions, alerts, accounts }
}

export async function foundIn(store: Store) {
  const sessions = new Map<string, string>()
  const rows = await store.query<Record<'session_id' | 'part' | 'user_id' | 'clicks', string>>(
    'SELECT session_id, part, user_id, clicks FROM sessions FINAL WHERE final',
  )
  for (const row of rows)
    sessions.set(`${row.session_id} ${row.part}`, `${row.user_id} ${row.clicks}`)
  const alerts = await store.query<{ message_id: string }>('SELECT message_id FROM alerts FINAL')
  const [clicks] = await store.query<{ accepted: string }>(
    "SELECT countIf(verdict = 'accepted') AS accepted FROM clicks FINAL",
  )
  return {
    sessions,
    alerts: new Set(alerts.map(row => row.message_id)),
    accepted: Number(clicks!.accepted),
  }
}

/** All bytes that stand on a topic of alerts, by message id. */
export async function alertBytes(log: Log, topic = alertsTopic): Promise<Map<string, Set<string>>> {
  const messages = new Map<string, Set<string>>()
  for (let partition = 0; partition < (await log.partitions(topic)); partition++) {
    const { startOffset, endOffset } = await log.bounds(topic, partition)
    for (let offset = startOffset; offset < endOffset; ) {
      const records = await log.read(topic, partition, offset, readBytes)
      for (const record of records) {
        const alert = decodeAlert(record.value)
        assert.ok('messageId' in alert)
        const bytes = messages.get(alert.messageId) ?? new Set()
        messages.set(alert.messageId, bytes.add(record.value!.toString('base64')))
        offset = record.offset + 1
      }
    }
  }
  return messages
}

/** How many records the tables' progress covers, and how many there are. */
export async function reached(log: Log, store: Store): Promise<{ folded: number; ends: number }> {
  return { folded: await foldedIn(store), ends: await endsOf(log) }
}

/** Records that the tables' progress covers. */
export async function foldedIn(store: Store): Promise<number> {
  const [row] = await store.query<{ folded: string }>(
    'SELECT sum(next_offset) AS folded FROM progress FINAL WHERE topic = {topic:String}',
    { topic: clicksTopic },
  )
  return Number(row!.folded)
}

/** All that is on the topics of all epochs that the tables know is in them, or carried over. */
export async function foldedAll(log: Log, store: Store): Promise<boolean> {
  for (const { topic, partitions } of await readEpochs(store)) {
    const offsets = await readNextOffsets(store, topic)
    for (let partition = 0; partition < partitions; partition++)
      if ((offsets.get(partition) ?? 0) < (await log.bounds(topic, partition)).endOffset)
        return false
  }
  return true
}

/** Records that have come to the log. */
export async function endsOf(log: Log): Promise<number> {
  let ends = 0
  for (let partition = 0; partition < (await log.partitions(clicksTopic)); partition++)
    ends += (await log.bounds(clicksTopic, partition)).endOffset
  return ends
}

/** To be called when all is folded. `alertsMin`: fewer, and there was nothing to lose. */
export async function assertExact(log: Log, store: Store, alertsMin: number): Promise<void> {
  const expected = await expectedOf(log)
  const found = await foundIn(store)
  assert.deepEqual(found.sessions, expected.sessions)
  assert.deepEqual(found.alerts, expected.alerts)
  assert.equal(found.accepted, expected.accounts.accepted)
  assert.ok(expected.alerts.size >= alertsMin, `${expected.alerts.size} alerts to lose`)
  const bytes = await alertBytes(log)
  assert.deepEqual(new Set(bytes.keys()), expected.alerts)
  for (const [id, bodies] of bytes) assert.equal(bodies.size, 1, `message ${id} has one body`)
}
