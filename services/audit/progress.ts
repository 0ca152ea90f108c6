/** `progress` against the log, and against the other tables. */
import { after } from '../base/time.ts'
import { snapshotPartition } from '../processor/fold/snapshot.ts'
import type { Refold } from './refold.ts'
import { type AuditSource, type Difference, type PartitionPoint, readPoints } from './source.ts'
import { shortened } from './states.ts'

/** What `progress` says against the log, and against the state that the log leads to. */
export function comparePoint(
  source: AuditSource,
  refold: Refold,
  point: PartitionPoint,
): Difference[] {
  const where = `progress of ${source.topic} partition ${point.partition}`
  const differences: Difference[] = []
  const say = (is: string, should: string) =>
    differences.push({ kind: 'progress', where, is, should })
  if (point.nextOffset > refold.nextOffset)
    say(`at offset ${point.nextOffset}`, `at most ${refold.nextOffset}, where the log ends`)
  else if (point.lastHash !== '' && refold.lastHash !== '' && point.lastHash !== refold.lastHash)
    say(
      `the hash of another record before offset ${point.nextOffset}`,
      'that of the record in the log: this is not the log that the tables come from',
    )
  else if (refold.isWhole) {
    const found = JSON.parse(point.state) as Record<string, unknown>
    const wanted = JSON.parse(snapshotPartition(refold.state)) as Record<string, unknown>
    const other = Object.keys({ ...found, ...wanted }).filter(
      key => JSON.stringify(found[key]) !== JSON.stringify(wanted[key]),
    )
    const shown = (from: Record<string, unknown>) =>
      other.map(key => `${key} ${shortened(JSON.stringify(from[key]) ?? 'missing')}`).join(', ')
    if (other.length > 0) say(shown(found), shown(wanted))
  }
  return differences
}

/** The first flush of a partition ends with its progress, right behind its users: it is waited for, 5 s. */
const looksMax = 20
const lookIntervalMs = 250

/** Partitions that tables hold and no progress speaks of. All that follows from their points is not audited. */
export async function findWithoutProgress(
  source: AuditSource,
  isOver: boolean,
): Promise<Difference[]> {
  let without = await withoutProgress(source, isOver)
  for (let look = 1; look < looksMax && without.length > 0; look++) {
    await new Promise<void>(resolve => {
      after(lookIntervalMs, resolve)
    })
    source.stopping?.throwIfAborted()
    const still = new Set(await withoutProgress(source, isOver))
    without = without.filter(partition => still.has(partition))
  }
  return without.map(partition => ({
    kind: 'progress',
    where: `progress of ${source.topic} partition ${partition}`,
    is: 'missing, though the tables hold what was folded',
    should:
      'there: without it the partition cannot be audited, and is folded again from the first record',
  }))
}

/**
 * A flush that was not ended may have left clicks without progress, but hardly users: they are written right before it.
 * Of an epoch that is over all was ended.
 */
async function withoutProgress(source: AuditSource, isOver: boolean): Promise<number[]> {
  const rows = await source.store.query<{ partition: number }>(
    `SELECT DISTINCT partition FROM ${isOver ? 'clicks' : 'users'} WHERE epoch = {epoch:UInt16} ORDER BY partition`,
    { epoch: source.epoch },
  )
  // Behind the rows: what has come since is no loss.
  const known = new Set((await readPoints(source)).map(({ partition }) => partition))
  return rows.map(({ partition }) => Number(partition)).filter(partition => !known.has(partition))
}
