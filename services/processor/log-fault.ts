/** Whether a log is still the one that was folded, and still has what comes next. */
import { EbbError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { recordHash } from './folded.ts'
import type { Place } from './rows.ts'

/** A place in a log: the first record behind it, and the hash of the one before it; empty when there is none. */
export interface LogPlace {
  readonly nextOffset: number
  readonly lastHash: string
}

/** Why one cannot go on from there: an error that says what is missing and what an operator can do. */
export async function findFault(
  { log, topic }: { readonly log: Pick<Log, 'bounds' | 'read'>; readonly topic: string },
  { partition }: Pick<Place, 'partition'>,
  { nextOffset, lastHash }: LogPlace,
): Promise<EbbError | undefined> {
  const where = `${topic} partition ${partition}`
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  if (nextOffset === 0 && startOffset > 0) return neverFolded(where, startOffset)
  if (nextOffset < startOffset) return expired(where, nextOffset, startOffset)
  if (nextOffset > endOffset) return cutShort(where, nextOffset, endOffset)
  if (lastHash === '' || nextOffset === startOffset) return undefined
  const [last] = await log.read(topic, partition, nextOffset - 1, 1)
  return last && recordHash(last) !== lastHash ? another(where, nextOffset - 1) : undefined
}

/** Throws when the log is not the one that the tables come from: what is taken there would never be folded. */
export async function refuseOtherLog({
  log,
  store,
  topic,
}: {
  readonly log: Log
  readonly store: Store
  readonly topic: string
}): Promise<void> {
  const rows = await store.query<{ partition: number; next_offset: string; last_hash: string }>(
    'SELECT partition, next_offset, last_hash FROM progress FINAL WHERE topic = {topic:String}',
    { topic },
  )
  const faults = rows.map(({ partition, next_offset, last_hash }) => {
    const at = { nextOffset: Number(next_offset), lastHash: last_hash }
    return findFault({ log, topic }, { partition: Number(partition) }, at)
  })
  for (const fault of await Promise.all(faults)) if (fault?.code === 'topicMismatch') throw fault
}

function neverFolded(where: string, startOffset: number): EbbError {
  const first =
    startOffset === 1
      ? `The first record of ${where} is`
      : `The first ${startOffset} records of ${where} are`
  return new EbbError(
    'offsetGone',
    `${first} gone, and the tables hold nothing of it: they were lost, or deleted before Ebb folded any. Restore a ` +
      'backup of ClickHouse, if there is one; else give ebb log begin, which takes those records for lost, and start ' +
      'the processors again.',
  )
}

function expired(where: string, nextOffset: number, startOffset: number): EbbError {
  return new EbbError(
    'offsetGone',
    `${recordsAre(startOffset - nextOffset, where)} never folded: the log keeps what stands ` +
      `at ${startOffset} and later, the tables hold what stands before ${nextOffset}. ` +
      `Restore a backup of ClickHouse that reaches to ${startOffset}, if there is one, and let the topic keep ` +
      'its records for longer; else they are lost, and a new project has to be begun.',
  )
}

function cutShort(where: string, nextOffset: number, endOffset: number): EbbError {
  return new EbbError(
    'topicMismatch',
    `${recordsAre(nextOffset - endOffset, where)} folded: the log ends at ${endOffset}, the ` +
      `tables hold what stands before ${nextOffset}. It was cut short, or made anew. ` +
      'Bring the missing records back, if a broker or a copy has them; or restore a backup of ClickHouse that ' +
      `reaches to ${endOffset} at most, and what only the tables of now hold is lost. ` +
      'No backup fits a topic that was made anew: for that one a new project has to be begun.',
  )
}

function another(where: string, offset: number): EbbError {
  return new EbbError(
    'topicMismatch',
    `${where} holds another record at ${offset} than the one that was folded: these tables come from another log, ` +
      `or up to ${offset + 1} records of it are gone and others stand in their place. ` +
      'Look at the addresses of Kafka and ClickHouse first. If the log was cut short and went on, restore a ' +
      'backup of ClickHouse from before that; if the topic was made anew, a new project has to be begun.',
  )
}

const recordsAre = (count: number, where: string) =>
  count === 1
    ? `1 record of ${where} is gone that was`
    : `${count} records of ${where} are gone that were`
