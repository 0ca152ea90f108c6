/** The partitions of clicks: how far the tables are behind, and what is not yet in force on some of them. */
import { readBroadcasts } from '../control/project.ts'
import { readRevisions } from '../control/standing.ts'
import type { Bounds, Log } from '../log/log.ts'
import type { PartitionState } from '../processor/fold/state.ts'
import { findFault } from '../processor/log-fault.ts'
import { readTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import {
  type Check,
  countText,
  durationText,
  ok,
  orOk,
  partitionsText,
  warn,
  wrong,
} from './check.ts'

export interface PartitionSource {
  readonly log: Pick<Log, 'partitions' | 'bounds' | 'read'>
  readonly store: Store
  readonly clicksTopic: string
  readonly partitions: number
  /** The project's clock, which stamps what enters the log where that is Ebb's own. */
  readonly clock: () => number
  readonly wallClock: () => number
  /** The clock is a replay's: it says nothing of the wall's. */
  readonly replay: boolean
}

interface Stand {
  readonly partition: number
  readonly bounds: Bounds
  /** Undefined: nothing of it was folded yet. */
  readonly nextOffset: number | undefined
  /** Of the record before it; empty when there is none. */
  readonly lastHash: string
  readonly writtenMs: number
  readonly clockMs: number
  readonly held: string
  /** Undefined: nothing of it was folded yet. */
  readonly imports: PartitionState['imports'] | undefined
}

/** A processor writes progress every 5 s where there is something; one that died is noticed after 20 s. */
const standstillMs = 60_000
/** A record that is not folded by then waits for a processor. */
const lagRecordsMax = 50_000
/** Collectors tick every 5 s. */
const silenceMs = 60_000

export async function examinePartitions(source: PartitionSource): Promise<readonly Check[]> {
  const stands = await readStands(source)
  const faults = (await Promise.all(stands.map(stand => positionFaults(stand, source)))).flat()
  const lag = stands.reduce((sum, stand) => sum + lagOf(stand), 0)
  const says = `${countText(stands.length, 'partition')}, and none stands still; ${countText(lag, 'record')} to be folded.`
  return [...orOk(faults, 'partitions', says), ...timeChecks(stands, source)]
}

async function readStands(source: PartitionSource): Promise<Stand[]> {
  const { log, store, clicksTopic, partitions } = source
  const rows = await store.query<
    Record<'partition' | 'next_offset' | 'last_hash' | 'held' | 'written_at', string> & {
      clock: string | null
      imports: PartitionState['imports']
    }
  >(
    `SELECT partition, next_offset, last_hash, clock, held, JSONExtractString(state, 'imports') AS imports, written_at
     FROM progress FINAL WHERE topic = {topic:String}`,
    { topic: clicksTopic },
  )
  const known = new Map(rows.map(row => [Number(row.partition), row]))
  return Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const row = known.get(partition)
      return {
        partition,
        bounds: await log.bounds(clicksTopic, partition),
        nextOffset: row && Number(row.next_offset),
        lastHash: row?.last_hash ?? '',
        writtenMs: row ? readTime(row.written_at) : Number.NEGATIVE_INFINITY,
        clockMs: row?.clock ? readTime(row.clock) : Number.NEGATIVE_INFINITY,
        held: row?.held ?? '',
        imports: row?.imports,
      }
    }),
  )
}

function lagOf({ bounds, nextOffset = bounds.startOffset }: Stand): number {
  return Math.max(0, bounds.endOffset - nextOffset)
}

async function positionFaults(stand: Stand, source: PartitionSource): Promise<Check[]> {
  const { partition, nextOffset = 0, lastHash, writtenMs } = stand
  const area = `partition ${partition}`
  const place = { log: source.log, topic: source.clicksTopic }
  const fault = await findFault(place, { partition }, { nextOffset, lastHash })
  if (fault) return [wrong(area, fault.message)]
  const lag = lagOf(stand)
  // Nothing is to be folded before it came: a partition that was idle does not stand.
  const cameMs = lag > 0 ? await appendedMs(stand, source) : Number.NaN
  const idleMs = source.wallClock() - Math.max(writtenMs, cameMs)
  if (idleMs > standstillMs) {
    const never = stand.nextOffset === undefined ? ', nothing was ever folded' : ''
    const since = `for ${durationText(idleMs)}${never}`
    const says = `It stands still with ${countText(lag, 'record')} not folded, ${since}: start a processor, or see /readyz of those that run.`
    return [wrong(area, says)]
  }
  if (lag > lagRecordsMax)
    return [warn(area, `${lag} records are not folded yet: start processors.`)]
  return []
}

/** When the first record came that is not folded. */
async function appendedMs(
  { partition, bounds, nextOffset = bounds.startOffset }: Stand,
  { log, clicksTopic }: PartitionSource,
): Promise<number> {
  const [first] = await log.read(clicksTopic, partition, nextOffset, 1)
  return first?.appendMs ?? Number.NaN
}

/**
 * Whether time goes on: a live project has ticks even where nobody clicks. One that never had an import, as a replay,
 * is at the time of its clicks.
 */
function timeChecks(stands: readonly Stand[], source: PartitionSource): Check[] {
  const live = stands.filter(({ imports }) => imports === 'over')
  if (live.length === 0 && stands.some(({ imports }) => imports === 'running'))
    return [ok('time', 'Imports are not over: alerts wait for ebb live.')]
  const nowMs = source.clock()
  const silent = live.filter(stand => lagOf(stand) === 0 && nowMs - stand.clockMs > silenceMs)
  const held = stands.filter(({ imports, held }) => imports !== 'running' && held !== '')
  const faults: Check[] = []
  if (silent.length > 0 && !source.replay) {
    const ageMs = Math.max(...silent.map(({ clockMs }) => nowMs - clockMs))
    const where = partitionsText(silent.map(({ partition }) => partition))
    faults.push(
      wrong(
        'time',
        `No click and no tick reached ${where} for ${durationText(ageMs)}: is a collector running?`,
      ),
    )
  }
  if (held.length > 0) {
    const where = partitionsText(held.map(({ partition }) => partition))
    faults.push(
      warn(
        'time',
        `Alerts wait on ${where}, because clicks are missing (${held[0]!.held}): see the tracker.`,
      ),
    )
  }
  if (live.length > 0 && !source.replay)
    return [...orOk(faults, 'time', 'Clicks or ticks come on every partition.')]
  const latestMs = Math.max(...stands.map(({ clockMs }) => clockMs))
  const says = Number.isFinite(latestMs)
    ? `By the clicks it is ${new Date(latestMs).toISOString()}.`
    : 'No click has come yet.'
  return [...orOk(faults, 'time', says)]
}

/** Rules and settings that are kept, and not yet in force on every partition. */
export async function examineControls(source: PartitionSource): Promise<readonly Check[]> {
  const { store, clicksTopic, partitions } = source
  const held = await readRevisions(store, clicksTopic, partitions)
  const newest = new Map<string, number>()
  for (const { key, revision } of await readBroadcasts(store)) newest.set(key, revision)
  const changes = await readChanges(store)
  const faults: Check[] = []
  for (const [key, revision] of newest) {
    const lacking = [...held].filter(([, revisions]) => (revisions.get(key) ?? 0) < revision)
    if (lacking.length === 0) continue
    const ageMs = source.wallClock() - (changes.get(key) ?? 0)
    const where = partitionsText(lacking.map(([partition]) => partition))
    const says = `${key}, revision ${revision}, of ${durationText(ageMs)} ago, is not in force on ${where}`
    faults.push(
      ageMs > standstillMs
        ? wrong('changes', `${says}: no processor has taken it up; see partitions.`)
        : warn('changes', `${says} yet.`),
    )
  }
  for (const [key, revision] of newestHeld(held))
    if (revision > (newest.get(key) ?? 0))
      faults.push(
        wrong(
          'changes',
          `Partitions hold ${key} as of revision ${revision}, the table knows ${newest.get(key) ?? 'none'}: it is of an older backup. Apply it again; until then what is in force is not what is shown.`,
        ),
      )
  const count = countText(newest.size, 'rule or setting', 'rules and settings')
  return orOk(faults, 'changes', `In force on every partition: ${count}.`)
}

function newestHeld(held: ReadonlyMap<number, ReadonlyMap<string, number>>): Map<string, number> {
  const newest = new Map<string, number>()
  for (const revisions of held.values())
    for (const [key, revision] of revisions)
      newest.set(key, Math.max(revision, newest.get(key) ?? 0))
  return newest
}

async function readChanges(store: Store): Promise<Map<string, number>> {
  const rows = await store.query<{ key: string; at: string }>(
    `SELECT concat('rule:', rule_id) AS key, max(changed_at) AS at FROM rules GROUP BY key
     UNION ALL SELECT toString(kind) AS key, max(changed_at) AS at FROM controls GROUP BY key`,
  )
  return new Map(rows.map(({ key, at }) => [key, readTime(at)]))
}
