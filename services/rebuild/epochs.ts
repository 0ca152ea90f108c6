/**
 * Epochs: partitions of a topic never grow in place, so a project that grows goes on in a new topic. What stands
 * before the Seal of an old partition is folded in the old epoch, the new one begins with the state it ended in.
 */
import { assert, EbbError } from '../base/errors.ts'
import type { Log, TopicSettings } from '../log/log.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Claim } from './claim.ts'
import { freeEpoch, readOpenRebuild } from './steps.ts'

export interface Epoch {
  readonly epoch: number
  readonly topic: string
  readonly partitions: number
  /** It begins with nothing: its topic holds all that its tables are made of. */
  readonly rebuilt?: boolean
}

/** The topic of an epoch, e.g. `e1.clicks` after `clicks`; all end in the name of the first. */
export function topicOf(firstTopic: string, epoch: number): string {
  return epoch === 0 ? firstTopic : firstTopic.replace(/clicks$/, `e${epoch}.clicks`)
}

/** All epochs, the oldest first; empty for a project that never grew. */
export async function readEpochs(store: Store): Promise<Epoch[]> {
  const rows = await store.query<{
    epoch: number
    topic: string
    partitions: number
    rebuilt: boolean
  }>('SELECT epoch, topic, partitions, rebuilt FROM epochs FINAL ORDER BY epoch')
  return rows.map(({ epoch, topic, partitions, rebuilt }) => ({
    ...{ epoch: Number(epoch), topic, partitions: Number(partitions) },
    ...(rebuilt ? { rebuilt } : undefined),
  }))
}

/** What is made from an epoch that is over loses the clicks of those behind it. */
export async function refuseMoved(store: Store, present: Epoch): Promise<void> {
  const newest = (await readEpochs(store)).at(-1)
  if (newest && newest.epoch !== present.epoch)
    throw new EbbError(
      'badInput',
      `The project is in epoch ${newest.epoch} now, by another command, and no longer in ${present.epoch}: give the command again.`,
    )
}

/**
 * Says that the project goes on in a topic with so many partitions, which `makeTopic` makes before; from here on
 * there is no way back. Where it says false, the topic of that number is left alone, and the next one is taken.
 * `claim`: where other commands may be at work on the project too.
 */
export async function beginEpoch(
  store: Store,
  present: Epoch,
  firstTopic: string,
  partitions: number,
  nowMs: number,
  makeTopic: (topic: string) => Promise<boolean> = async () => true,
  claim?: Claim,
): Promise<Epoch> {
  await refuseMoved(store, present)
  if (partitions <= present.partitions)
    throw new EbbError(
      'badInput',
      `The project has ${present.partitions} partitions already; it can only grow, to a larger power of two.`,
    )
  if (await readOpenRebuild(store))
    throw new EbbError(
      'badInput',
      'A rebuild of the project is not at its end: bring it there first, by ebb rebuild.',
    )
  let epoch = await freeEpoch(store)
  while (!(await makeTopic(topicOf(firstTopic, epoch)))) epoch++
  const next = { epoch, topic: topicOf(firstTopic, epoch), partitions }
  await keepEpoch(store, present, next, nowMs, claim)
  return next
}

/**
 * Makes the topic of an epoch that is to begin. False where there is one already that cannot be it: it has another
 * number of partitions, or it holds records, as one that a rebuild left of which these tables know nothing.
 */
export async function makeTopic(
  log: Pick<Log, 'ensure' | 'bounds'>,
  topic: string,
  settings: TopicSettings,
): Promise<boolean> {
  const partitions = await log.ensure(topic, settings)
  if (partitions !== settings.partitions) return false
  for (let partition = 0; partition < partitions; partition++)
    if ((await log.bounds(topic, partition)).endOffset > 0) return false
  return true
}

/**
 * From here on everybody who looks goes on in that epoch. Throws where the project went on without it: what another
 * command said of this epoch or a later one stays, and what is said behind the loss of the claim does not count.
 */
export async function keepEpoch(
  store: Store,
  present: Epoch,
  next: Epoch,
  nowMs: number,
  claim?: Claim,
): Promise<void> {
  // A project that never had another one has no row.
  const rows = present.epoch === 0 ? [present, next] : [next]
  const { sql, params } = claim?.held ?? { sql: 'true', params: {} }
  await store.command(
    `INSERT INTO epochs (epoch, topic, partitions, began_at, rebuilt)
     SELECT epoch, topic, partitions, fromUnixTimestamp64Milli({now:Int64}, 'UTC'), rebuilt
     FROM (SELECT 1) ARRAY JOIN {epochs:Array(UInt16)} AS epoch, {topics:Array(String)} AS topic,
       {counts:Array(UInt16)} AS partitions, {rebuilt:Array(UInt8)} AS rebuilt
     WHERE ${sql} AND (SELECT max(epoch) FROM epochs) < {next:UInt16}`,
    {
      ...params,
      now: String(rowTime(Math.round(nowMs))),
      epochs: rows.map(({ epoch }) => epoch),
      topics: rows.map(({ topic }) => topic),
      counts: rows.map(({ partitions }) => partitions),
      rebuilt: rows.map(row => (row === next && next.rebuilt ? 1 : 0)),
      next: next.epoch,
    },
  )
  const newest = (await readEpochs(store)).at(-1)
  if (newest && newest.topic === next.topic && newest.partitions === next.partitions) return
  await claim?.hold()
  await refuseMoved(store, present)
  assert(false, `epoch ${next.epoch} is begun`)
}

/** The partitions of a topic whose Seal is folded, and all before it in the tables. */
export async function readSealed(store: Store, topic: string): Promise<Set<number>> {
  const rows = await store.query<{ partition: number }>(
    `SELECT partition FROM progress FINAL
     WHERE topic = {topic:String} AND JSONExtractBool(state, 'sealed')`,
    { topic },
  )
  return new Set(rows.map(({ partition }) => Number(partition)))
}

/** Whether all before the epoch's Seals is in the tables. */
export async function isDrained(store: Store, { topic, partitions }: Epoch): Promise<boolean> {
  return (await readSealed(store, topic)).size === partitions
}
