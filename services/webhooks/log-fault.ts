/** Whether the alerts topic is still the one that webhooks have read, and still has what comes next. */
import { EbbError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import { type Progress, recordHash } from './progress.ts'

/** Why webhooks cannot go on from there: an error that says what is missing and what an operator can do. */
export async function findFault(
  { log, topic }: { readonly log: Pick<Log, 'bounds' | 'read'>; readonly topic: string },
  partition: number,
  { seenOffset, seenHash }: Pick<Progress, 'seenOffset' | 'seenHash'>,
): Promise<EbbError | undefined> {
  const place = { topic, partition }
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  if (seenOffset < startOffset) return expired(place, seenOffset, startOffset)
  if (seenOffset > endOffset) return cutShort(place, seenOffset, endOffset)
  if (seenHash === '' || seenOffset === startOffset) return undefined
  const [last] = await log.read(topic, partition, seenOffset - 1, 1)
  return last && recordHash(last.value) !== seenHash ? another(place, seenOffset - 1) : undefined
}

interface Place {
  readonly topic: string
  readonly partition: number
}

function expired(place: Place, seenOffset: number, startOffset: number): EbbError {
  return new EbbError(
    'offsetGone',
    `${recordsAre(startOffset - seenOffset)} gone from ${whereOf(place)} that webhooks never read: the log keeps what ` +
      `stands at ${startOffset} and later, they have read what stands before ${seenOffset}. ` +
      'What those told is in the table alerts, and was not sent. Let the topic keep its records for longer, and ' +
      `webhooks run. ${goOn(place)}`,
  )
}

function cutShort(place: Place, seenOffset: number, endOffset: number): EbbError {
  return new EbbError(
    'topicMismatch',
    `${recordsAre(seenOffset - endOffset)} gone from ${whereOf(place)} that webhooks had read: the log ends at ` +
      `${endOffset}, they have read what stands before ${seenOffset}. It was cut short, or made anew. ` +
      `Bring the missing records back, if a broker or a copy has them. ${goOn(place)}`,
  )
}

function another(place: Place, offset: number): EbbError {
  return new EbbError(
    'topicMismatch',
    `${whereOf(place)} holds another record at ${offset} than the one that webhooks have read: these tables come from ` +
      `another log, or up to ${offset + 1} of its records are gone and others stand in their place. ` +
      `Look at the addresses of Kafka and ClickHouse first. ${goOn(place)}`,
  )
}

/** Progress is all that holds webhooks to that place: what they have sent stands in `deliveries`, message by message. */
function goOn({ topic, partition }: Place): string {
  return (
    'To go on without what is gone, stop the webhooks, give ClickHouse ' +
    `"ALTER TABLE progress DELETE WHERE topic = '${topic}' AND partition = ${partition} SETTINGS mutations_sync = 2" ` +
    'and start them: they begin with the first record that is there, and send nothing again that deliveries has as ' +
    'delivered. How to have alerts told again that are gone: "Backup and restore" in docs/operators.md.'
  )
}

const whereOf = ({ topic, partition }: Place) => `${topic} partition ${partition}`

const recordsAre = (count: number) => (count === 1 ? '1 record is' : `${count} records are`)
