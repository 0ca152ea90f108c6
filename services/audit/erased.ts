/**
 * Users who are erased while an audit looks, or were in a later epoch than the one that it looks at. What an erasure took
 * is no difference, and nothing else is left out: it must stand on the log, and behind what is missing.
 */
import { partitionOf } from '../base/slot.ts'
import { decodeRecord } from '../log/codec.ts'
import { isTaken } from '../log/record.ts'
import { type ErasedUpTo, erasuresOfUsers } from '../processor/erasures.ts'
import { readEpochs } from '../rebuild/epochs.ts'
import type { AuditSource } from './source.ts'

/** Users in one question: ClickHouse takes parameters of 128 KiB. */
const usersAtOnce = 1_000

/** Something of the epoch under audit that no table has. */
export interface Missing {
  readonly userId: string
  /** Where it was made; below 0 in an epoch before. */
  readonly offset: number
}

/**
 * Those that no erasure took. To be asked behind the tables that they are missing in: an erasure stands in `erasures`
 * before it takes the first row.
 */
export async function notTaken<One extends Missing>(
  source: AuditSource,
  missing: readonly One[],
): Promise<One[]> {
  const users = [...new Set(missing.map(({ userId }) => userId))].filter(userId => userId !== '')
  const upTo = new Map<string, ErasedUpTo>()
  for (let at = 0; at < users.length; at += usersAtOnce) {
    const some = users.slice(at, at + usersAtOnce)
    const erasures = await erasuresOfUsers(source.store, some)
    for (const userId of some) {
      const erased = erasures(userId)
      // One of an epoch before takes nothing of this one, and its topic may be gone.
      if (!erased || erased.epoch < source.epoch) continue
      if (await isOnLog(source, userId, erased)) upTo.set(userId, erased)
    }
  }
  return missing.filter(({ userId, offset }) => {
    const erased = upTo.get(userId)
    return !erased || !isTaken(erased, { epoch: source.epoch, offset })
  })
}

/** Rows come and go by `erasures` alone, and the log is what they are audited by. */
async function isOnLog(
  source: AuditSource,
  userId: string,
  { epoch, offset }: ErasedUpTo,
): Promise<boolean> {
  const isOfIt = (one: { readonly epoch: number }) => one.epoch === epoch
  const place = isOfIt(source) ? source : (await readEpochs(source.store)).find(isOfIt)
  if (!place) return false
  const partition = partitionOf(userId, place.partitions)
  const { startOffset, endOffset } = await source.log.bounds(place.topic, partition)
  // Its record may be gone from the log by now: then nobody can refute it.
  if (offset < startOffset) return true
  if (offset >= endOffset) return false
  const [stored] = await source.log.read(place.topic, partition, offset, 1)
  if (stored?.offset !== offset) return false
  const record = decodeRecord(stored.value)
  const isErase = record.kind === 'erase' || record.kind === 'carriedErase'
  return isErase && record.userId === userId
}
