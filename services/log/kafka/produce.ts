/** One record batch after the other to one partition, each there once when it is acknowledged. */
import { EbbError } from '../../base/errors.ts'
import type { NewRecord } from '../log.ts'
import { recordBytes } from '../storage.ts'
import { within } from './deadline.ts'
import { compressionTypes } from './library.ts'
import type { Topic } from './topic.ts'
import type { Broker, Producer } from './wire.ts'

export type Target = Pick<Topic, 'name' | 'ask' | 'bounds'>

/** One append is one batch up to here; a larger one goes in pieces, in order, of which the first may be left alone. */
export const pieceBytesMax = 4 * 1024 * 1024
/** From the call to its end, whatever the brokers do: once while it waits, once while it is sent. */
export const appendMsMax = 20_000
/** How long the leader waits for the other replicas. */
const replicationMsMax = 10_000
const allReplicas = -1
const sequenceMax = 2 ** 31 - 1

/** By what the broker knows the records of one partition that this process sends. A failure leaves it in doubt. */
export interface Numbering {
  /** Null before the first record. */
  producer: Producer | null
  sequence: number
  /** One past the highest offset that was acknowledged. */
  endOffset: number
}

export function newNumbering(endOffset: number): Numbering {
  return { producer: null, sequence: 0, endOffset }
}

export function late(topicName: string): EbbError {
  return new EbbError('logUnreachable', `Topic ${topicName} took no records for too long.`)
}

/** Resolves to the offset of the first record; the caller begins a new numbering when it rejects. */
export async function produceAll(
  topic: Target,
  partition: number,
  numbering: Numbering,
  records: readonly NewRecord[],
): Promise<number> {
  if (records.length === 0) return (await topic.bounds(partition)).endOffset
  let firstOffset: number | undefined
  for (const piece of pieces(records)) {
    const sent = produce(topic, partition, numbering, piece)
    const offset = await within(sent, appendMsMax, () => late(topic.name))
    if (offset < numbering.endOffset)
      throw new EbbError(
        'topicMismatch',
        `Topic ${topic.name} partition ${partition} goes on at offset ${offset}, but ` +
          `${numbering.endOffset} records had been acknowledged: it was cut short or made anew.`,
      )
    numbering.endOffset = offset + piece.length
    firstOffset ??= offset
  }
  return firstOffset!
}

export function sizeOf(records: readonly NewRecord[]): number {
  return records.reduce((sum, record) => sum + recordBytes(record), 0)
}

function pieces(records: readonly NewRecord[]): (readonly NewRecord[])[] {
  if (sizeOf(records) <= pieceBytesMax) return [records]
  const cut: NewRecord[][] = []
  let sizeBytes = Number.POSITIVE_INFINITY
  for (const record of records) {
    sizeBytes += recordBytes(record)
    if (sizeBytes > pieceBytesMax) {
      cut.push([])
      sizeBytes = recordBytes(record)
    }
    cut.at(-1)!.push(record)
  }
  return cut
}

/** One batch; the answer must speak of this partition, and say where the records are. */
async function produce(
  topic: Target,
  partition: number,
  numbering: Numbering,
  records: readonly NewRecord[],
): Promise<number> {
  if (!numbering.producer || numbering.sequence + records.length > sequenceMax) {
    numbering.producer = await topic.ask(partition, newProducer)
    numbering.sequence = 0
  }
  const { producerId, producerEpoch } = numbering.producer
  const entry = { partition, firstSequence: numbering.sequence, messages: records }
  const request = {
    acks: allReplicas,
    timeout: replicationMsMax,
    compression: compressionTypes.ZSTD,
    producerId,
    producerEpoch,
    topicData: [{ topic: topic.name, partitions: [entry] }],
  }
  const answer = await topic.ask(partition, leader => leader.produce(request))
  numbering.sequence += records.length
  const written = answer.topics
    .filter(({ topicName }) => topicName === topic.name)
    .flatMap(({ partitions }) => partitions)
    .find(written => written.partition === partition)
  const offset = Number(written?.baseOffset ?? -1)
  if (Number.isSafeInteger(offset) && offset >= 0) return offset
  throw new EbbError(
    'logUnreachable',
    `The broker answered, and said nothing of partition ${partition} of topic ${topic.name}.`,
  )
}

function newProducer(broker: Broker): Promise<Producer> {
  // There are no transactions; the protocol wants a time for them all the same.
  return broker.initProducerId({ transactionTimeout: replicationMsMax })
}
