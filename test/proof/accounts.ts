/** The books: what became of every click by the tables, by the pure fold, and by who sent them. */
import { decodeAlert } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import type { Store } from '../../services/store/store.ts'
import { alertBytes, expectedOf, foundIn } from '../servers/compare.ts'

const fates = ['accepted', 'late', 'aside', 'duplicate', 'quarantined', 'dead'] as const
export type Accounts = Record<(typeof fates)[number], number>

export async function accountsIn(store: Store): Promise<Accounts> {
  const rows = await store.query<{ fate: keyof Accounts; count: string }>(
    `SELECT 'accepted' AS fate, count() AS count FROM clicks FINAL WHERE verdict = 'accepted'
     UNION ALL SELECT kind AS fate, count() AS count FROM rejects FINAL WHERE source = 'log' GROUP BY kind`,
  )
  const accounts = Object.fromEntries(fates.map(fate => [fate, 0])) as Accounts
  for (const { fate, count } of rows) accounts[fate] = Number(count)
  return accounts
}

export function sumOf(accounts: Accounts): number {
  return fates.reduce((sum, fate) => sum + accounts[fate], 0)
}

/** Messages that a webhook is to carry. */
export async function sendableOf(log: Log): Promise<Set<string>> {
  const sendable = new Set<string>()
  for (const [id, bodies] of await alertBytes(log)) {
    const [bytes] = bodies
    const alert = decodeAlert(Buffer.from(bytes!, 'base64'))
    if ('messageId' in alert && alert.send) sendable.add(id)
  }
  return sendable
}

/** To be asked when all is folded and nobody writes any more. */
export async function bookFaults(
  log: Log,
  store: Store,
  received: number,
): Promise<{ faults: string[]; accounts: Accounts; sessions: number; alerts: number }> {
  const faults: string[] = []
  const accounts = await accountsIn(store)
  if (sumOf(accounts) !== received)
    faults.push(`${received} were received, and the tables account for ${sumOf(accounts)}`)
  const expected = await expectedOf(log)
  for (const fate of fates)
    if (accounts[fate] !== expected.accounts[fate])
      faults.push(
        `${fate}: ${accounts[fate]} in the tables, ${expected.accounts[fate]} by the fold`,
      )
  const found = await foundIn(store)
  let sessions = 0
  for (const [id, text] of expected.sessions)
    if (found.sessions.get(id) !== text) faults.push(`session ${id} is not in the tables as folded`)
    else sessions++
  if (found.sessions.size !== expected.sessions.size)
    faults.push(`${found.sessions.size} sessions, ${expected.sessions.size} by the fold`)
  const isExpected = (id: string) => expected.alerts.has(id)
  if (found.alerts.size !== expected.alerts.size || ![...found.alerts].every(isExpected))
    faults.push(`${found.alerts.size} alerts that are not the ${expected.alerts.size} of the fold`)
  const bodies = await alertBytes(log)
  for (const [id, of] of bodies) {
    if (of.size > 1) faults.push(`message ${id} has ${of.size} bodies`)
    if (!expected.alerts.has(id)) faults.push(`message ${id} stands on the log, not in the fold`)
  }
  if (bodies.size !== expected.alerts.size)
    faults.push(`${bodies.size} messages on the log, ${expected.alerts.size} by the fold`)
  return { faults, accounts, sessions, alerts: expected.alerts.size }
}
