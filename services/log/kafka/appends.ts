/**
 * Appends to one topic. Each partition has one request under way; what comes meanwhile goes together with the
 * next one, as one record batch, which Kafka takes whole or not at all. A request carries one partition, so its
 * answer is about nothing else. When an answer is lost, or a leader moves, the batch is sent again under the same
 * producer and number, by which the broker knows it: it is there once.
 */
import { EbbError } from '../../base/errors.ts'
import { nextTurn, steadyClock } from '../../base/time.ts'
import type { NewRecord } from '../log.ts'
import { recordBytes } from '../storage.ts'
import { within } from './deadline.ts'
import { compressionTypes } from './library.ts'
import type { Topic } from './topic.ts'
import type { Broker, Producer } from './wire.ts'

type Target = Pick<Topic, 'name' | 'ask' | 'bounds'>

/** Appends share a batch up to here. */
const sharedBytesMax = 1024 * 1024
/** One append is one batch up to here; a larger one goes in pieces, in order, of which the first may be left alone. */
export const pieceBytesMax = 4 * 1024 * 1024
/** What waits in this process, over all topics; beyond it appends are refused with `logBusy`. */
export const waitingBytesMax = 64 * 1024 * 1024
/** How long the leader waits for the other replicas. */
const replicationMsMax = 10_000
/** From the call to its end, whatever the brokers do: once while it waits, once while it is sent. */
export const appendMsMax = 20_000
const allReplicas = -1
const sequenceMax = 2 ** 31 - 1

/** What all topics of a log have waiting together. */
export interface Load {
  waitingBytes: number
}

interface Waiting {
  readonly records: readonly NewRecord[]
  readonly sizeBytes: number
  readonly sinceMs: number
  readonly resolve: (offset: number) => void
  readonly reject: (error: unknown) => void
}

interface Lane {
  readonly waiting: Waiting[]
  busy: boolean
  /** Numbers this lane's records; null before the first, and after a failure, which leaves the numbers in doubt. */
  producer: Producer | null
  sequence: number
  /** One past the highest offset that was acknowledged. */
  endOffset: number
}

export interface Appends {
  append(partition: number, records: readonly NewRecord[]): Promise<number>
  /** Resolves when all that waits is settled. */
  drained(): Promise<unknown>
}

export function openAppends(topic: Target, load: Load): Appends {
  const lanes = new Map<number, Lane>()
  const working = new Set<Promise<void>>()

  async function work(partition: number, lane: Lane): Promise<void> {
    lane.busy = true
    await nextTurn() // Appends of the same turn go together.
    while (lane.waiting.length > 0) {
      const group = lane.waiting.splice(0, groupLength(lane.waiting))
      await send(partition, lane, group)
      for (const { sizeBytes } of group) load.waitingBytes -= sizeBytes
    }
    lane.busy = false
  }

  async function send(partition: number, lane: Lane, group: readonly Waiting[]): Promise<void> {
    const inTime = group.filter(waiting => steadyClock() - waiting.sinceMs < appendMsMax)
    for (const waiting of group) if (!inTime.includes(waiting)) waiting.reject(late(topic.name))
    if (inTime.length === 0) return
    try {
      let offset = await produceAll(topic, partition, lane, inTime.flatMap(recordsOf))
      for (const { records, resolve } of inTime) {
        resolve(offset)
        offset += records.length
      }
    } catch (error) {
      lane.producer = null
      for (const { reject } of inTime) reject(error)
    }
  }

  return {
    append(partition, records) {
      const lane = lanes.get(partition) ?? newLane()
      lanes.set(partition, lane)
      const sizeBytes = sizeOf(records)
      if (load.waitingBytes > 0 && load.waitingBytes + sizeBytes > waitingBytesMax)
        return Promise.reject(new EbbError('logBusy', 'Too much waits for the log already.'))
      load.waitingBytes += sizeBytes
      return new Promise((resolve, reject) => {
        lane.waiting.push({ records, sizeBytes, sinceMs: steadyClock(), resolve, reject })
        if (lane.busy) return
        const running = work(partition, lane).finally(() => working.delete(running))
        working.add(running)
      })
    },
    drained: () => Promise.all(working),
  }
}

function newLane(): Lane {
  return { waiting: [], busy: false, producer: null, sequence: 0, endOffset: 0 }
}

function recordsOf({ records }: Waiting): readonly NewRecord[] {
  return records
}

function sizeOf(records: readonly NewRecord[]): number {
  return records.reduce((sum, record) => sum + recordBytes(record), 0)
}

/** How many of the oldest appends share the next batch: at least one, however large. */
function groupLength(waiting: readonly Waiting[]): number {
  let sizeBytes = 0
  for (let length = 0; length < waiting.length; length++) {
    sizeBytes += waiting[length]!.sizeBytes
    if (sizeBytes > sharedBytesMax) return Math.max(1, length)
  }
  return waiting.length
}

function late(topicName: string): EbbError {
  return new EbbError('logUnreachable', `Topic ${topicName} took no records for too long.`)
}

/** Resolves to the offset of the first record. */
async function produceAll(
  topic: Target,
  partition: number,
  lane: Lane,
  records: readonly NewRecord[],
): Promise<number> {
  if (records.length === 0) return (await topic.bounds(partition)).endOffset
  let firstOffset: number | undefined
  for (const piece of pieces(records)) {
    const sent = produce(topic, partition, lane, piece)
    const offset = await within(sent, appendMsMax, () => late(topic.name))
    if (offset < lane.endOffset)
      throw new EbbError(
        'topicMismatch',
        `Topic ${topic.name} partition ${partition} goes on at offset ${offset}, but ` +
          `${lane.endOffset} records had been acknowledged: it was cut short or made anew.`,
      )
    lane.endOffset = offset + piece.length
    firstOffset ??= offset
  }
  return firstOffset!
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
  lane: Lane,
  records: readonly NewRecord[],
): Promise<number> {
  if (!lane.producer || lane.sequence + records.length > sequenceMax) {
    lane.producer = await topic.ask(partition, newProducer)
    lane.sequence = 0
  }
  const { producerId, producerEpoch } = lane.producer
  const entry = { partition, firstSequence: lane.sequence, messages: records }
  const request = {
    acks: allReplicas,
    timeout: replicationMsMax,
    compression: compressionTypes.ZSTD,
    producerId,
    producerEpoch,
    topicData: [{ topic: topic.name, partitions: [entry] }],
  }
  const answer = await topic.ask(partition, leader => leader.produce(request))
  lane.sequence += records.length
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
