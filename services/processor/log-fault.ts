/** Whether a log is still the one that was folded, and still has what comes next. */
import { EbbError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import { recordHash } from './folded.ts'
import type { Place } from './rows.ts'

/** A place in a log: the first record behind it, and the hash of the one before it; empty when there is none. */
export interface LogPlace {
  readonly nextOffset: number
  readonly lastHash: string
}

/** Why one cannot go on from there: an error that says what is missing and what an operator can do. */
export async function findFault(
  { log, topic }: { readonly log: Log; readonly topic: string },
  { partition }: Place,
  { nextOffset, lastHash }: LogPlace,
): Promise<EbbError | undefined> {
  const where = `${topic} partition ${partition}`
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  if (nextOffset < startOffset) return expired(where, nextOffset, startOffset)
  if (nextOffset > endOffset) return cutShort(where, nextOffset, endOffset)
  if (lastHash === '' || nextOffset === startOffset) return undefined
  const [last] = await log.read(topic, partition, nextOffset - 1, 1)
  return last && recordHash(last) !== lastHash ? another(where, nextOffset - 1) : undefined
}

function expired(where: string, nextOffset: number, startOffset: number): EbbError {
  return new EbbError(
    'offsetGone',
    `${startOffset - nextOffset} records of ${where} are gone that were never folded: ` +
      `the log keeps offsets from ${startOffset} on, the tables reach to ${nextOffset}. `,
  )
}

function cutShort(where: string, nextOffset: number, endOffset: number): EbbError {
  return new EbbError(
    'topicMismatch',
    `${where} ends at offset ${endOffset}, but ${nextOffset} records were folded: ` +
      'the log was cut short or made anew.',
  )
}

function another(where: string, offset: number): EbbError {
  return new EbbError(
    'topicMismatch',
    `${where} holds another record at offset ${offset} than the one that was folded: ` +
      'this is not the log that the tables come from.',
  )
}
