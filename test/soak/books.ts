/**
 * The books, when all is folded: what became of every click, session and alert by the tables, by the pure fold of each
 * partition's dump, and by who sent them. Goes through one partition after the other, so that a long run fits.
 */
import type { Log } from '../../services/log/log.ts'
import { dumpPartition } from '../../services/processor/dump.ts'
import { parsePipeArguments } from '../../services/processor/pipe/options.ts'
import { createPipe } from '../../services/processor/pipe/run.ts'
import type { Store } from '../../services/store/store.ts'
import { type Accounts, accountsIn } from '../proof/accounts.ts'
import { clicksTopic } from '../servers/compare.ts'
import type { Sender } from './sender.ts'

const pipeArguments = ['--clock', 'log', '--no-flush', '--summary']
/** Of one kind and place. */
const faultsMax = 10
/** A table is read in so many parts. */
const readParts = 8

export interface Books {
  /** What does not agree, as sentences. */
  readonly faults: readonly string[]
  readonly accounts: Accounts
  /** Records on the log that were clicks, or none. */
  readonly received: number
  readonly sessions: number
  readonly alerts: number
}

export async function checkBooks(log: Log, store: Store, sent: Sender['counts']): Promise<Books> {
  // What was lost or doubled first; sessions may be very many.
  const faults = await compareSent(store, sent)
  const folded: string[] = []
  const expected: Accounts = emptyAccounts()
  let [received, sessions, alerts] = [0, 0, 0]
  for (let partition = 0; partition < (await log.partitions(clicksTopic)); partition++) {
    const of = await foldPartition(log, partition)
    received += of.received
    for (const fate of fates) expected[fate] += of.accounts[fate]
    sessions += of.sessions.size
    alerts += of.alerts.size
    folded.push(...firstOf(await compareSessions(store, partition, of.sessions)))
    folded.push(...firstOf(await compareAlerts(store, partition, of.alerts)))
  }
  const accounts = await accountsIn(store)
  for (const fate of fates)
    if (accounts[fate] !== expected[fate])
      faults.push(`${fate}: ${accounts[fate]} in the tables, ${expected[fate]} by the fold`)
  const accountedFor = fates.reduce((sum, fate) => sum + accounts[fate], 0)
  if (accountedFor !== received)
    faults.push(`${received} were received, and the tables account for ${accountedFor}`)
  faults.push(...folded)
  return { faults, accounts, received, sessions, alerts }
}

/** Where one thing is wrong very much may be. */
export function firstOf(faults: readonly string[]): string[] {
  const more = faults.length - faultsMax
  return more > 0 ? [...faults.slice(0, faultsMax), `and ${more} more like these`] : [...faults]
}

const fates = Object.keys(emptyAccounts()) as (keyof Accounts)[]

function emptyAccounts(): Accounts {
  return { accepted: 0, late: 0, aside: 0, duplicate: 0, quarantined: 0, dead: 0 }
}

interface Folded {
  readonly received: number
  readonly accounts: Accounts
  /** Id and part, to whose it is, from when to when, clicks and value. */
  readonly sessions: Map<string, string>
  /** Id of the message, to what it is about. */
  readonly alerts: Map<string, string>
}

/** What the fold alone makes of a partition's log. */
async function foldPartition(log: Log, partition: number): Promise<Folded> {
  const sessions = new Map<string, string>()
  const alerts = new Map<string, string>()
  const accounts = emptyAccounts()
  let received = 0
  const pipe = createPipe(parsePipeArguments(pipeArguments), line => {
    const { session, alert, summary } = JSON.parse(line)
    if (session)
      sessions.set(
        `${session.id} ${session.part}`,
        textOf(session.userId, session.start, session.end, session.clicks, session.value),
      )
    if (alert) alerts.set(alert.message, textOf(alert.id, alert.rule, alert.userId, alert.status))
    if (!summary) return
    received = summary.received
    for (const fate of fates) accounts[fate] = summary[fate]
  })
  const count = { lines: 0, dead: 0 }
  for await (const line of dumpPartition(log, clicksTopic, partition, 0, count)) pipe.line(line)
  pipe.end()
  accounts.dead += count.dead
  return { received: received + count.dead, accounts, sessions, alerts }
}

function textOf(...facts: readonly (string | number)[]): string {
  return facts.join(' ')
}

async function compareSessions(
  store: Store,
  partition: number,
  expected: ReadonlyMap<string, string>,
): Promise<string[]> {
  const faults: string[] = []
  let found = 0
  for (let part = 0; part < readParts; part++) {
    const rows = await store.query<
      Record<'session_id' | 'part' | 'user_id' | 'from' | 'to' | 'clicks' | 'value', string>
    >(
      `SELECT session_id, part, user_id, toUnixTimestamp64Milli(start) AS from,
         toUnixTimestamp64Milli(end) AS to, clicks, value
       FROM sessions FINAL
       WHERE final AND partition = {partition:UInt16} AND slot % {parts:UInt16} = {part:UInt16}`,
      { partition, parts: readParts, part },
    )
    found += rows.length
    for (const row of rows) {
      const id = `${row.session_id} ${row.part}`
      const { user_id, from, to, clicks, value } = row
      if (expected.get(id) !== textOf(user_id, from, to, clicks, Number(value)))
        faults.push(`session ${id} is not as folded: ${JSON.stringify(row)}`)
    }
  }
  if (found !== expected.size)
    faults.unshift(`partition ${partition}: ${found} sessions, ${expected.size} by the fold`)
  return faults
}

async function compareAlerts(
  store: Store,
  partition: number,
  expected: ReadonlyMap<string, string>,
): Promise<string[]> {
  const rows = await store.query<
    Record<'message_id' | 'alert_id' | 'rule_id' | 'user_id' | 'status', string>
  >(
    `SELECT message_id, alert_id, rule_id, user_id, status FROM alerts FINAL
     WHERE partition = {partition:UInt16}`,
    { partition },
  )
  const faults = rows
    .filter(
      ({ message_id, alert_id, rule_id, user_id, status }) =>
        expected.get(message_id) !== textOf(alert_id, rule_id, user_id, status),
    )
    .map(row => `alert ${row.message_id} is not as folded: ${JSON.stringify(row)}`)
  if (rows.length !== expected.size)
    faults.unshift(`partition ${partition}: ${rows.length} alerts, ${expected.size} by the fold`)
  return faults
}

/** Each click that was confirmed stands in the tables once: in `clicks`, or in quarantine for its time. */
export async function compareSent(store: Store, sent: Sender['counts']): Promise<string[]> {
  const count = { rows: 0, ids: 0 }
  for (let part = 0; part < readParts; part++) {
    const [row] = await store.query<Record<'rows' | 'ids', string>>(
      `SELECT count() AS rows, uniqExact(event_id) AS ids FROM clicks FINAL
       WHERE startsWith(event_id, 's') AND slot % {parts:UInt16} = {part:UInt16}`,
      { parts: readParts, part },
    )
    count.rows += Number(row!.rows)
    count.ids += Number(row!.ids)
  }
  const [quarantined] = await store.query<{ ids: string }>(
    `SELECT uniqExact(event_id) AS ids FROM rejects FINAL
     WHERE kind = 'quarantined' AND startsWith(event_id, 's')`,
  )
  const expected = sent.distinct - sent.future
  const faults: string[] = []
  if (count.ids !== expected)
    faults.push(`${expected - count.ids} of ${expected} confirmed clicks are lost`)
  if (count.rows !== count.ids) faults.push(`${count.rows - count.ids} clicks stand there twice`)
  if (Number(quarantined!.ids) !== sent.future)
    faults.push(
      `${quarantined!.ids} clicks in quarantine, ${sent.future} were sent with such a time`,
    )
  return faults
}
