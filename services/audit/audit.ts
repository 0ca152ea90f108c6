/**
 * `ebb audit`: whether the tables say what the clicks say. The log is folded again beside them, a partition at
 * a time, and compared record by record; what follows from the clicks by plain SQL is compared with the rows.
 * All of it as of a point of each partition, while clicks go on: what is being written just now is left out.
 */
import { nextTurn } from '../base/time.ts'
import type { Settings } from '../processor/fold/settings.ts'
import { restorePartition } from '../processor/fold/snapshot.ts'
import { type Epoch, readEpochs } from '../rebuild/epochs.ts'
import { compareRecords } from './account.ts'
import { clockworkOf } from './clockwork.ts'
import { compareDays, countDays } from './days.ts'
import { readHorizon } from './horizon.ts'
import { compareMoney } from './money.ts'
import { comparePoint, findWithoutProgress } from './progress.ts'
import { type Look, readErasing, type SlotRange, slotRanges } from './range.ts'
import { createRefold, type Refold, type SettingsSpan } from './refold.ts'
import { compareSessions, countMixed, countSessions } from './sessions.ts'
import {
  type AuditKind,
  type AuditSource,
  auditKinds,
  createFinding,
  type Difference,
  type Finding,
  note,
  type PartitionPoint,
  readPoints,
} from './source.ts'
import { compareAlerts, compareStates } from './states.ts'
import { compareUsers, countUsers } from './users.ts'
import { compareVerdicts, countClicks } from './verdicts.ts'

export type Findings = Readonly<Record<AuditKind, Finding>>

export async function audit(source: AuditSource, wallMs: number): Promise<Findings> {
  const findings = Object.fromEntries(
    auditKinds.map(kind => [kind, createFinding(kind)]),
  ) as Record<AuditKind, Finding>
  const horizonMs = await readHorizon(source.store, wallMs)
  const spans: SettingsSpan[] = []
  const erased = new Set<string>()
  // The newest first: what it erased is gone from the rows of the earlier ones.
  for (const epoch of await epochsOf(source)) {
    const ofEpoch = { ...source, ...epoch }
    const lost = await findWithoutProgress(ofEpoch, epoch.epoch < source.epoch)
    findings.progress.checked += lost.length
    add(findings.progress, lost)
    for (const { partition } of await readPoints(ofEpoch))
      spans.push(...(await auditPartition(ofEpoch, partition, horizonMs, erased, findings)))
  }
  if (spans.some(({ settings }) => settings === null))
    findings.sessions.notes.push(
      'The log no longer begins at its first record, and settings were changed: what was folded before its first record cannot be audited by the rules of its time.',
    )
  if (Number.isFinite(horizonMs))
    findings.sessions.notes.push(
      `Clicks before ${new Date(horizonMs).toISOString()} are no longer kept: sessions, days and money before then cannot be audited.`,
    )
  for (const range of spans.length > 0 ? await slotRanges(source) : []) {
    source.stopping?.throwIfAborted()
    await auditRange(source, range, spans, horizonMs, findings)
    await nextTurn()
  }
  return findings
}

/** The epoch that the project is in, then those before it: back to one that was rebuilt, which left nothing of others. */
async function epochsOf(source: AuditSource): Promise<Epoch[]> {
  const { epoch, topic, partitions } = source
  const epochs = await readEpochs(source.store)
  const whole = epochs.findLast(one => one.epoch <= epoch && one.rebuilt)?.epoch ?? 0
  const before = epochs.filter(one => one.epoch >= whole && one.epoch < epoch).reverse()
  return [{ epoch, topic, partitions }, ...before]
}

/** So often the refold goes on to where the tables are by then: the less it is behind, the fewer users move. */
const roundsMax = 5
const behindMax = 1_000

async function catchUp(source: AuditSource, refold: Refold): Promise<PartitionPoint | undefined> {
  for (let round = 1; ; round++) {
    const point = (await readPoints(source)).find(({ partition }) => partition === refold.partition)
    if (!point) return undefined
    const behind = point.nextOffset - refold.nextOffset
    await refold.upTo(point.nextOffset)
    if (round === roundsMax || behind <= behindMax) return point
  }
}

/** Everything that takes the log: accounting, alerts, the whole state of users. */
async function auditPartition(
  source: AuditSource,
  partition: number,
  horizonMs: number,
  erased: Set<string>,
  findings: Findings,
): Promise<readonly SettingsSpan[]> {
  const refold = await createRefold(
    source,
    partition,
    horizonMs,
    await knownSettings(source, partition),
  )
  const point = await catchUp(source, refold)
  if (!point) return []
  forgetErased(refold, erased)
  findings.progress.checked++
  add(findings.progress, comparePoint(source, refold, point))
  await compareRecords(source, refold, horizonMs, findings.log)
  findings.alerts.checked += refold.alerts.size
  if (!refold.isWhole) {
    findings.alerts.notes.push(
      `The log of partition ${partition} of ${source.topic}, or of one before it, no longer begins at its first record: alerts and the state of users cannot be folded again.`,
    )
    return refold.spans
  }
  const looks: [Finding, () => Promise<Difference[]>][] = [
    [findings.alerts, () => compareAlerts(source, refold)],
  ]
  // Of a sealed epoch the users have gone on in the next one.
  if (!refold.state.sealed)
    looks.push([findings.users, () => compareStates(source, refold, findings.users)])
  for (const [finding, look] of looks) {
    const first = await look()
    if (first.length === 0) continue
    // A second look, later: what an erasure took away in between is no difference.
    await catchUp(source, refold)
    add(finding, bothOf(first, await look()))
  }
  return refold.spans
}

/** Remembers whom this log erases, and takes out of it whom later ones do. */
function forgetErased(refold: Refold, erased: Set<string>): void {
  for (const [id, { userId }] of refold.alerts) if (erased.has(userId)) refold.alerts.delete(id)
  const own = [...refold.erased.keys()]
  for (const userId of erased) refold.erased.set(userId, Number.POSITIVE_INFINITY)
  for (const userId of own) erased.add(userId)
}

/** Settings of a log whose beginning is gone: known where they never changed. */
async function knownSettings(source: AuditSource, partition: number) {
  const [row] = await source.store.query<{ count: string }>(
    "SELECT uniqExact(value) AS count FROM controls WHERE kind = 'settings'",
  )
  const point = (await readPoints(source)).find(one => one.partition === partition)
  return point && Number(row!.count) <= 1
    ? restorePartition(source.project, point.state).settings
    : null
}

const comparisons: Readonly<
  Record<string, { kind: AuditKind; compare: (look: Look) => Promise<Difference[]> }>
> = {
  verdicts: { kind: 'verdicts', compare: compareVerdicts },
  sessions: { kind: 'sessions', compare: compareSessions },
  users: { kind: 'users', compare: compareUsers },
  money: { kind: 'users', compare: compareMoney },
  days: { kind: 'days', compare: compareDays },
}

/** Everything that plain SQL can tell of the users of some slots. */
async function auditRange(
  source: AuditSource,
  range: SlotRange,
  spans: readonly SettingsSpan[],
  horizonMs: number,
  findings: Findings,
): Promise<void> {
  const lookNow = async (): Promise<Look> => {
    const points = steadyPoints(await readPoints(source), spans)
    const erasing = await readErasing(source, points)
    return { source, range, points, erasing, clockwork: clockworkOf(spans), horizonMs }
  }
  const look = await lookNow()
  findings.verdicts.checked += await countClicks(look)
  findings.sessions.checked += await countSessions(look)
  findings.days.checked += await countDays(look)
  const mixed = await countMixed(look)
  findings.sessions.checked -= mixed
  if (mixed > 0)
    findings.sessions.notes.push(
      `${mixed} sessions of slots ${range.from} to ${range.to - 1} lie across a change of settings: the clicks alone do not tell them.`,
    )
  const { users, old } = await countUsers(look)
  findings.users.checked += users
  if (old > 0)
    findings.users.notes.push(
      `${old} users of slots ${range.from} to ${range.to - 1} are known for longer than clicks are kept: their totals cannot be counted again.`,
    )
  for (const { kind, compare } of Object.values(comparisons)) {
    const first = await compare(await lookNow())
    if (first.length === 0) continue
    // Two tables are not read at one moment: what differs is looked at again.
    add(findings[kind], bothOf(first, await compare(await lookNow())))
  }
}

/**
 * The points at which the settings hold that the log told: where they changed since, or where a partition has
 * only just begun, its users count as moving.
 */
function steadyPoints(
  points: readonly PartitionPoint[],
  spans: readonly SettingsSpan[],
): PartitionPoint[] {
  const textOf = (settings: Settings | null | undefined) =>
    JSON.stringify(settings && { ...settings, serverEvents: [...settings.serverEvents] })
  return points.filter(({ partition, state }) => {
    const span = spans.findLast(one => one.partition === partition)
    if (!span?.settings) return span !== undefined
    return textOf(span.settings) === textOf(restorePartition('', state).settings)
  })
}

function bothOf(first: readonly Difference[], second: readonly Difference[]): Difference[] {
  const seen = new Set(first.map(({ where }) => where))
  return second.filter(({ where }) => seen.has(where))
}

function add(finding: Finding, differences: readonly Difference[]): void {
  for (const difference of differences) note(finding, difference)
}
