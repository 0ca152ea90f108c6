/**
 * How far a rebuild is. Each step may be repeated; the next one is written down when it is done.
 *
 *   staging    what the new topic is to begin with is put together: clicks of the tables and of files
 *   folding    it is appended and folded, beside the old epoch, which goes on
 *   sealing    the old epoch is sealed, and folded up to there: from here on there is only forward
 *   closing    what came meanwhile is put together, and what was told; `Live` ends it
 *   ending     that is appended
 *   adopting   the new topic is there and whole, and the tables are older than it: the old epoch is folded up to its Seals
 *   carrying   what stands behind the Seals is carried over, and all of it folded
 *   switching  tables take the place of tables, one after the other, and the epoch is known to all
 *   done       only the old tables are left to be dropped
 *   given up   another rebuild was begun instead, before this one was sealed
 */
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Epoch } from './epochs.ts'

export const steps = [
  'staging',
  'folding',
  'sealing',
  'closing',
  'ending',
  'adopting',
  'carrying',
  'switching',
  'done',
  'given up',
] as const
export type Step = (typeof steps)[number]

export interface Rebuild extends Epoch {
  readonly step: Step
  /** The epoch that it is made from. */
  readonly from: number
  /** By partition of that epoch: clicks before are taken in `folding`, the others in `closing`. */
  readonly points: readonly number[]
  /** By name: the new tables' UUIDs, known from `switching` on. */
  readonly tables: Readonly<Record<string, string>>
}

/** Whether the old epoch goes on: such a rebuild may be given up. */
export function isRevocable({ step }: Rebuild): boolean {
  return step === 'staging' || step === 'folding'
}

/** The newest rebuild that is neither done nor given up; there is one at most. */
export async function readOpenRebuild(store: Store): Promise<Rebuild | undefined> {
  const [row] = await store.query<{
    epoch: number
    topic: string
    partitions: number
    step: Step
    from: number
    points: string[]
    tables: Record<string, string>
  }>(
    `SELECT epoch, topic, partitions, step, \`from\`, points, tables FROM rebuilds FINAL
     WHERE step NOT IN ('done', 'given up') ORDER BY epoch DESC LIMIT 1`,
  )
  if (!row) return undefined
  const { topic, step, tables } = row
  const [epoch, partitions, from] = [row.epoch, row.partitions, row.from].map(Number)
  const points = row.points.map(Number)
  return { epoch: epoch!, topic, partitions: partitions!, step, from: from!, points, tables }
}

/** Writes down where the rebuild is now. Steps go forward only, so the later one counts. */
export async function keepRebuild(store: Store, rebuild: Rebuild, nowMs: number): Promise<void> {
  const { epoch, topic, partitions, step, from, points, tables } = rebuild
  const version = steps.indexOf(step)
  const changed_at = rowTime(Math.round(nowMs))
  const row = { epoch, topic, partitions, step, from, points, tables, version, changed_at }
  await store.insert('rebuilds', [row])
}

/** One that nobody has used: what a rebuild that was given up left on its topic is never read. */
export async function freeEpoch(store: Store): Promise<number> {
  const [row] = await store.query<{ epoch: number }>(
    'SELECT max(epoch) AS epoch FROM (SELECT epoch FROM epochs UNION ALL SELECT epoch FROM rebuilds)',
  )
  return Number(row!.epoch) + 1
}
