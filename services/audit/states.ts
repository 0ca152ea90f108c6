/** The tables against the state that folding the log again ends in: users and alerts. */
import { slotCount } from '../base/slot.ts'
import { restoreUser, snapshotUser } from '../processor/fold/user-row.ts'
import { epochShift, type Row, userRow, versionAt } from '../processor/rows.ts'
import { readMoney } from '../store/rows.ts'
import { type Missing, notTaken } from './erased.ts'
import { createPace, pieceSize } from './pace.ts'
import { alertColumns, alertText, hashOf, type Refold, type RefoldedAlert } from './refold.ts'
import { type AuditSource, type Difference, type Finding, orderOf } from './source.ts'

const slotsAtOnce = 256
const alertsAtOnce = 5_000

const texts = (value: unknown) => (value as readonly unknown[]).map(String).join(' ')
const amounts = (value: unknown) => (value as readonly string[]).map(readMoney).join(' ')

/** Columns that follow from no click alone, as comparable text; `state` holds all that they hold, and more. */
const userColumns: Readonly<Record<string, (value: unknown) => string>> = {
  returned_at: value => String(value ?? ''),
  tier: String,
  segments: texts,
  value_at_silence: value => String(readMoney(String(value))),
  money_times: texts,
  money_amounts: amounts,
  money_orders: texts,
  state: String,
}

type UserRow = Row & { readonly user_id: string; readonly version: string }

/** Rows of a later fold, or an earlier one, may say something else. */
const foldNumber = versionAt(0, 0)

export async function compareStates(
  source: AuditSource,
  refold: Refold,
  finding: Finding,
): Promise<Difference[]> {
  const differences: Difference[] = []
  const seen = new Set<string>()
  let otherFolds = 0
  const rest = createPace(source)
  for (let slot = 0; slot < slotCount; slot += slotsAtOnce) {
    const rows = await source.store.query<UserRow>(
      `SELECT user_id, version, toUnixTimestamp64Milli(returned_at) AS returned_at, tier, segments, value_at_silence,
              arrayMap(time -> toUnixTimestamp64Milli(time), money_times) AS money_times, money_amounts, money_orders, state
       FROM users FINAL
       WHERE slot >= {from:UInt16} AND slot < {to:UInt16} AND slot % {partitions:UInt16} = {partition:UInt16}`,
      {
        from: slot,
        to: slot + slotsAtOnce,
        partitions: source.partitions,
        partition: refold.partition,
      },
    )
    for (const [at, row] of rows.entries()) {
      if (at % pieceSize === 0) await rest()
      seen.add(row.user_id)
      if (orderOfVersion(row.version) >= orderOf(source.epoch, refold.nextOffset)) continue
      if (Number(row.version) % 16 !== foldNumber) otherFolds++
      else differences.push(...compareUser(source, refold, row))
    }
  }
  const missing: Missing[] = []
  for (const { id, version } of refold.state.users.values())
    if (version !== -1 && !seen.has(id)) missing.push({ userId: id, offset: version })
  for (const { userId, offset } of await notTaken(source, missing))
    differences.push({
      kind: 'users',
      where: `row of user ${userId}`,
      is: 'missing',
      should: `there, of record ${offset}`,
    })
  if (otherFolds > 0)
    finding.notes.push(
      `${otherFolds} users were written by another version of Ebb: the fold of this one may answer otherwise, so they were compared with their clicks alone.`,
    )
  return differences
}

/** The state of a row of an earlier epoch, its places counted from this one. */
function restated(json: string, shift: number): string {
  const user = restoreUser('', json, 0)
  for (const session of user.open) session.openOffset += shift
  return snapshotUser(user)
}

function orderOfVersion(version: string): number {
  return Math.floor(Number(version) / 16)
}

function compareUser(source: AuditSource, refold: Refold, row: UserRow): Difference[] {
  const where = `row of user ${row.user_id}`
  const user = refold.state.users.get(row.user_id)
  if (!user)
    return [
      { kind: 'users', where, is: 'there', should: 'not there: no record of the log made him' },
    ]
  const expected = userRow({ epoch: source.epoch, partition: refold.partition }, user)
  const shift = epochShift(Number(row.version), source.epoch)
  if (shift !== 0) row = { ...row, state: restated(String(row.state), shift) }
  const of = orderOfVersion(row.version)
  const should = orderOf(source.epoch, user.version)
  const other = Object.entries(userColumns).filter(
    ([name, text]) => text(row[name]) !== text(expected[name]),
  )
  if (of !== should) other.push(['version', String])
  if (other.length === 0) return []
  const shown = (from: Row, order: number) =>
    other
      .map(([name, text]) => `${name} ${name === 'version' ? order : shortened(text(from[name]))}`)
      .join(', ')
  return [{ kind: 'users', where, is: shown(row, of), should: shown(expected, should) }]
}

const shownUnitsMax = 300

export function shortened(text: string): string {
  return text.length > shownUnitsMax ? `${text.slice(0, shownUnitsMax).toWellFormed()}…` : text
}

/** Each transition of each silence, with the body that its webhook carries. */
export async function compareAlerts(source: AuditSource, refold: Refold): Promise<Difference[]> {
  const differences: Difference[] = []
  const missing = new Map(refold.alerts)
  const rest = createPace(source)
  for (let after = ''; ; ) {
    const rows = await source.store.query<Row & { message_id: string; body: string }>(
      `SELECT message_id, body, alert_id, rule_id, rule_version, user_id, status, reason, threshold_ms, covers_ms, tier, value, send, offset,
              toUnixTimestamp64Milli(since) AS since, toUnixTimestamp64Milli(due) AS due, toUnixTimestamp64Milli(clock) AS clock
       FROM alerts FINAL
       WHERE message_id > {after:String} AND epoch = {epoch:UInt16} AND partition = {partition:UInt16} AND offset < {next:UInt64}
       ORDER BY message_id LIMIT ${alertsAtOnce}`,
      {
        after,
        epoch: source.epoch,
        partition: refold.partition,
        next: String(refold.nextOffset),
      },
    )
    for (const [at, row] of rows.entries()) {
      if (at % pieceSize === 0) await rest()
      const expected = missing.get(row.message_id)
      missing.delete(row.message_id)
      const difference = compareAlert(row, expected)
      if (difference) differences.push(difference)
    }
    const last = rows.at(-1)
    if (!last || rows.length < alertsAtOnce) break
    after = last.message_id
  }
  const ids = Array.from(missing, ([id, { userId, facts }]) => {
    return { id, userId, facts, offset: Number(facts.offset) }
  })
  for (const { id, userId, facts } of await notTaken(source, ids))
    differences.push({
      kind: 'alerts',
      where: `alert ${id} of user ${userId}`,
      is: 'missing',
      should: `there: ${facts.status} under rule ${facts.rule_id}`,
    })
  return differences
}

function compareAlert(
  row: Row & { message_id: string; body: string },
  expected: RefoldedAlert | undefined,
): Difference | undefined {
  const where = `alert ${row.message_id} of user ${row.user_id}`
  if (!expected)
    return {
      kind: 'alerts',
      where,
      is: `there: ${row.status} under rule ${row.rule_id}`,
      should: 'not there: the log does not lead to it',
    }
  const { facts } = expected
  const other = alertColumns.filter(name => alertText(name, row[name]) !== facts[name])
  const is = other.map(name => `${name} ${alertText(name, row[name])}`)
  const should = other.map(name => `${name} ${facts[name]}`)
  if (hashOf(row.body) !== expected.bodyHash) {
    is.push('another body')
    should.push(`the body with SHA-256 ${expected.bodyHash}`)
  }
  return is.length === 0
    ? undefined
    : { kind: 'alerts', where, is: is.join(', '), should: should.join(', ') }
}
