/** What an audit looks at, as of which point, and what it says. */
import type { Log } from '../log/log.ts'
import { epochUnit } from '../processor/rows.ts'
import { readTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'

/** A project, in one process or on servers. */
export interface AuditSource {
  readonly log: Pick<Log, 'bounds' | 'read'>
  readonly store: Store
  readonly topic: string
  readonly partitions: number
  readonly project: string
  readonly epoch: number
  /** Ends an audit early: it then rejects. */
  readonly stopping?: AbortSignal
  /** Above 0, at most 1: so much of its thread folding the log again may take. All of it where not given. */
  readonly share?: number
}

export const auditKinds = [
  'log',
  'verdicts',
  'sessions',
  'users',
  'days',
  'alerts',
  'progress',
] as const
export type AuditKind = (typeof auditKinds)[number]

/** Something that is in the tables and should not be, or the other way round. */
export interface Difference {
  readonly kind: AuditKind
  /** Which row or record it is about; two looks at one difference agree in it. */
  readonly where: string
  readonly is: string
  readonly should: string
}

/** What one kind of check found. */
export interface Finding {
  readonly kind: AuditKind
  /** Rows or records compared. */
  checked: number
  /** All that were found; only the first ones are kept as examples. */
  differences: number
  readonly examples: Difference[]
  /** What could not be audited, and why; sentences. */
  readonly notes: string[]
}

/** So many differences of each kind are named. */
const examplesMax = 20

export function createFinding(kind: AuditKind): Finding {
  return { kind, checked: 0, differences: 0, examples: [], notes: [] }
}

export function note(finding: Finding, difference: Omit<Difference, 'kind'>): void {
  finding.differences++
  if (finding.examples.length < examplesMax)
    finding.examples.push({ kind: finding.kind, ...difference })
}

/** Up to where the tables hold a partition, as they say themselves. */
export interface PartitionPoint {
  readonly partition: number
  /** Everything before this offset is in the tables; rows of later records may be there too. */
  readonly nextOffset: number
  /** -Infinity before the first record that moves it. */
  readonly clockMs: number
  readonly boundMs: number
  /** The partition's state as JSON. */
  readonly state: string
  readonly lastHash: string
}

/** Partitions without progress hold nothing yet and are left out. */
export async function readPoints(source: AuditSource): Promise<PartitionPoint[]> {
  const rows = await source.store.query<{
    partition: number
    next_offset: string
    clock: string | null
    state: string
    last_hash: string
  }>(
    `SELECT partition, next_offset, clock, state, last_hash FROM progress FINAL
     WHERE topic = {topic:String} ORDER BY partition`,
    { topic: source.topic },
  )
  return rows.map(row => ({
    partition: Number(row.partition),
    nextOffset: Number(row.next_offset),
    clockMs: row.clock === null ? Number.NEGATIVE_INFINITY : readTime(row.clock),
    boundMs: (JSON.parse(row.state) as { boundMs: number | null }).boundMs ?? -Infinity,
    state: row.state,
    lastHash: row.last_hash,
  }))
}

/** The order of records over epochs: what a row's version says of the record that made it. */
export function orderOf(epoch: number, offset: number): number {
  return epoch * epochUnit + offset
}

/** One value a partition as an array of SQL; what is not finite becomes the lowest Int64 that divides well. */
export function partitionArray(
  source: AuditSource,
  points: readonly PartitionPoint[],
  numberOf: (point: PartitionPoint) => number,
  otherwise: number,
): string {
  const byPartition = new Map(points.map(point => [point.partition, point]))
  const values = Array.from({ length: source.partitions }, (_, partition) => {
    const point = byPartition.get(partition)
    const value = point ? numberOf(point) : otherwise
    return Number.isFinite(value) ? value : lowestMs
  })
  return `[${values.map(value => `toInt64(${value})`).join(', ')}]`
}

/** Before every time that a click can have. */
export const lowestMs = -1e15

export function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
