/** Asks a broker for records of several partitions at once; each answer stands for itself. */
import { createRequire } from 'node:module'
import { EbbError } from '../../base/errors.ts'
import { readUncommitted } from './topic.ts'
import type { Broker, ProtocolRequest } from './wire.ts'

const require = createRequire(import.meta.url)

interface FetchRequest {
  readonly isolationLevel: number
  readonly maxWaitTime: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly {
      readonly partition: number
      readonly fetchOffset: string
      readonly maxBytes: number
    }[]
  }[]
}

/** The newest that kafkajs can write, and every Kafka since 2.3 can read. */
const version = 11
const fetchProtocol = (
  require('kafkajs/src/protocol/requests/fetch') as {
    protocol(options: { version: number }): (request: FetchRequest) => ProtocolRequest<unknown>
  }
).protocol({ version })
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as {
  createErrorFromCode(code: number): Error & { readonly type: string }
}

export interface Wanted {
  readonly partition: number
  readonly offset: number
}

export interface Fetched {
  readonly partition: number
  /** The broker's refusal for this partition, or null. */
  readonly error: Error | null
  /** The offset that the next record on the log gets, as of this answer. */
  readonly endOffset: number
  /** Whole record batches, and perhaps a part of one more. They may begin before the offset. */
  readonly bytes: Buffer
}

interface FetchLimits {
  /** How long the broker waits for the first record. */
  readonly waitMs: number
  readonly partitionBytesMax: number
}

/** Of all partitions together; a single batch may be larger and comes nevertheless. */
const answerBytesMax = 8 * 1024 * 1024

export async function fetch(
  broker: Broker,
  topic: string,
  wanted: readonly Wanted[],
  { waitMs, partitionBytesMax }: FetchLimits,
): Promise<Fetched[]> {
  const partitions = wanted.map(({ partition, offset }) => ({
    partition,
    fetchOffset: String(offset),
    maxBytes: partitionBytesMax,
  }))
  const { request, requestTimeout } = fetchProtocol({
    isolationLevel: readUncommitted,
    maxWaitTime: waitMs,
    minBytes: waitMs > 0 ? 1 : 0,
    maxBytes: answerBytesMax,
    topics: [{ topic, partitions }],
  })
  const { fetched } = await broker.connectionPool.send<Answer>({
    request,
    requestTimeout,
    response: { decode: async payload => readAnswer(payload), parse: async answer => answer },
  })
  return fetched
}

interface Answer {
  /** By this name kafkajs finds how long the broker wants to be left alone. */
  readonly clientSideThrottleTime: number
  readonly fetched: Fetched[]
}

function readAnswer(payload: Buffer): Answer {
  const clientSideThrottleTime = payload.readInt32BE(0)
  const errorCode = payload.readInt16BE(4)
  if (errorCode !== 0) throw createErrorFromCode(errorCode)
  const fetched: Fetched[] = []
  let at = 14 // Behind the session id and the count of topics.
  for (let topics = payload.readInt32BE(10); topics > 0; topics--) {
    at += 2 + payload.readInt16BE(at)
    const partitions = payload.readInt32BE(at)
    at += 4
    for (let count = 0; count < partitions; count++) {
      const { partition, end } = readPartition(payload, at)
      fetched.push(partition)
      at = end
    }
  }
  return { clientSideThrottleTime, fetched }
}

function readPartition(payload: Buffer, start: number): { partition: Fetched; end: number } {
  const errorCode = payload.readInt16BE(start + 4)
  const aborted = Math.max(0, payload.readInt32BE(start + 30))
  const at = start + 34 + 16 * aborted + 4 // And behind the preferred replica.
  const length = Math.max(0, payload.readInt32BE(at))
  const end = at + 4 + length
  if (end > payload.length) throw new EbbError('logUnreachable', 'An answer was cut short.')
  const partition = {
    partition: payload.readInt32BE(start),
    error: errorCode === 0 ? null : createErrorFromCode(errorCode),
    endOffset: Number(payload.readBigInt64BE(start + 6)),
    bytes: payload.subarray(at + 4, end),
  }
  return { partition, end }
}
