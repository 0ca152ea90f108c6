/**
 * Where an import goes on. The clicks of an import have one order, so on every partition an interrupted run has
 * left a beginning of what belongs there, and the last click on the partition says how long it is. Number and sum
 * of that beginning are compared with the log, so that nothing is skipped that is not really there.
 */
import { EbbError } from '../../base/errors.ts'
import { murmur2, partitionOf } from '../../base/slot.ts'
import { decodeRecord } from '../../log/codec.ts'
import type { LogRecord } from '../../log/log.ts'
import type { Click } from '../../log/record.ts'
import { clickOf } from './draft.ts'
import type { SortedClicks } from './read.ts'
import type { ImportTarget } from './target.ts'

/** By partition: how many of the import's clicks for it are on the log. */
export type Positions = readonly number[]

/** Some clicks of one partition: their number, and a sum over them that does not depend on their order. */
interface Amount {
  count: number
  sum: number
}

const readBytesMax = 1024 * 1024
const backRecords = 2048

/** Throws a sentence if the import may not go there. */
export async function findPositions(
  clicks: SortedClicks,
  target: ImportTarget,
): Promise<Positions> {
  const lasts: (Click | undefined)[] = []
  for (let partition = 0; partition < target.partitions; partition++)
    lasts.push(await lastClick(target, partition))
  const positions: number[] = []
  for (const [partition, beginnings] of beginningsUpTo(lasts, clicks).entries())
    positions.push(await verified(beginnings, target, partition))
  refuseBackwards(positions, lasts, clicks, target)
  return positions
}

async function lastClick(target: ImportTarget, partition: number): Promise<Click | undefined> {
  for await (const click of clicksBackwards(target, partition)) return click
  return undefined
}

/**
 * For each partition what of the import lies before and at its last click. None where that click is not ours;
 * more than one where the file's own ids repeat.
 */
function beginningsUpTo(lasts: readonly (Click | undefined)[], clicks: SortedClicks): Amount[][] {
  const running = lasts.map((): Amount => ({ count: 0, sum: 0 }))
  const found = lasts.map((): Amount[] => [])
  const lastMs = Math.max(...lasts.map(last => last?.timestampMs ?? -1))
  for (const { key, text } of clicks.sorted()) {
    if (Number(key) > lastMs) break
    const click = clickOf(text)
    const partition = partitionOf(click.userId, lasts.length)
    const amount = running[partition]!
    add(amount, click)
    if (isSame(click, lasts[partition])) found[partition]!.push({ ...amount })
  }
  return found
}

/** Takes in all that the command line can change, so that other options are noticed. */
function add(
  amount: Amount,
  { eventId, userId, timestampMs, name, value, properties }: Click,
): void {
  const text = [eventId, userId, timestampMs, name, value, properties].join('\n')
  amount.count++
  amount.sum = (amount.sum + murmur2(text)) % 2 ** 52
}

function isSame(click: Click, other: Click | undefined): boolean {
  return (
    click.eventId === other?.eventId &&
    click.userId === other.userId &&
    click.timestampMs === other.timestampMs
  )
}

/**
 * How many of our clicks end the partition: the count of the longest beginning that is there to the last click.
 * Where retention has dropped some of them already, what is kept must do.
 */
async function verified(
  beginnings: readonly Amount[],
  target: ImportTarget,
  partition: number,
): Promise<number> {
  const longest = beginnings.at(-1)
  if (!longest) return 0
  const there: Amount = { count: 0, sum: 0 }
  let position = 0
  for await (const click of clicksBackwards(target, partition)) {
    add(there, click)
    if (beginnings.some(({ count, sum }) => count === there.count && sum === there.sum))
      position = there.count
    if (there.count === longest.count) break
  }
  const { startOffset } = await target.bounds(partition)
  if (position === 0 && there.count < longest.count && startOffset > 0) return longest.count
  if (position > 0) return position
  throw new EbbError(
    'badInput',
    'Some clicks of these files are on the log already, from an import of other files or with other ' +
      'options. To go on with an interrupted import, give the same files and options.',
  )
}

/** An import goes forward in time: from the clock on, or, going on, from where each partition stands. */
function refuseBackwards(
  positions: Positions,
  lasts: readonly (Click | undefined)[],
  clicks: SortedClicks,
  target: ImportTarget,
): void {
  const isResumed = positions.some(position => position > 0)
  const clockMs = Math.max(target.clockMs ?? -1, ...lasts.map(last => last?.timestampMs ?? -1))
  /** Partitions that have nothing of the import yet. */
  const waiting = new Set([...positions.keys()].filter(partition => positions[partition] === 0))
  for (const { key, text } of clicks.sorted()) {
    const timeMs = Number(key)
    if (timeMs >= clockMs) return
    if (!isResumed) throw tooEarly(timeMs, clockMs)
    const partition = partitionOf(clickOf(text).userId, target.partitions)
    const lastMs = lasts[partition]?.timestampMs ?? -1
    if (waiting.delete(partition) && timeMs < lastMs) throw tooEarly(timeMs, lastMs)
    if (waiting.size === 0) return
  }
}

function tooEarly(timeMs: number, clockMs: number): EbbError {
  const [first, clock] = [timeMs, clockMs].map(ms => new Date(ms).toISOString())
  return new EbbError(
    'badInput',
    `These files begin at ${first}, before the clock of the project, ${clock}: imports go forward in time. ` +
      'Give the same files and options to ebb rebuild, which makes the project anew from its clicks and theirs.',
  )
}

/** The imported clicks of a partition, the last one first. */
async function* clicksBackwards(target: ImportTarget, partition: number): AsyncGenerator<Click> {
  const { startOffset, endOffset } = await target.bounds(partition)
  for (let end = endOffset; end > startOffset; ) {
    const from = Math.max(startOffset, end - backRecords)
    for (const record of (await readRange(target, partition, from, end)).reverse()) {
      const click = decodeRecord(record.value)
      if (click.kind === 'click' && click.imported) yield click
    }
    end = from
  }
}

async function readRange(
  target: ImportTarget,
  partition: number,
  from: number,
  end: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (let at = from; at < end; ) {
    const batch = await target.read(partition, at, readBytesMax)
    if (batch.length === 0) break
    for (const record of batch) if (record.offset < end) records.push(record)
    at = batch.at(-1)!.offset + 1
  }
  return records
}
