/** What Ebb asks of one broker, as kafkajs puts it on the wire, and what its refusals mean. */
import { EbbError } from '../../base/errors.ts'

export interface Broker {
  readonly nodeId: string | number
  /** Rejects when any partition of the answer carries an error. */
  produce(request: {
    readonly acks: number
    readonly timeout: number
    readonly compression: number
    readonly producerId: string
    readonly producerEpoch: number
    readonly topicData: readonly {
      readonly topic: string
      readonly partitions: readonly {
        readonly partition: number
        readonly firstSequence: number
        readonly messages: readonly { readonly key: string | null; readonly value: Buffer | null }[]
      }[]
    }[]
  }): Promise<{
    readonly topics: readonly {
      readonly topicName: string
      readonly partitions: readonly {
        readonly partition: number
        readonly baseOffset: string
        readonly logAppendTime: string
      }[]
    }[]
  }>
  initProducerId(request: { readonly transactionTimeout: number }): Promise<Producer>
  listOffsets(request: {
    readonly isolationLevel: number
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[]
    }[]
  }): Promise<{
    readonly responses: readonly { readonly partitions: readonly { readonly offset: string }[] }[]
  }>
  createTopics(request: {
    readonly timeout: number
    readonly topics: readonly {
      readonly topic: string
      readonly numPartitions: number
      readonly replicationFactor: number
      readonly configEntries: readonly { readonly name: string; readonly value: string }[]
    }[]
  }): Promise<unknown>
  describeConfigs(request: {
    readonly resources: readonly {
      readonly type: number
      readonly name: string
      readonly configNames: readonly string[]
    }[]
  }): Promise<{
    readonly resources: readonly {
      readonly configEntries: readonly {
        readonly configName: string
        readonly configValue: string
      }[]
    }[]
  }>
  joinGroup(request: {
    readonly groupId: string
    readonly memberId: string
    readonly sessionTimeout: number
    readonly rebalanceTimeout: number
    readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[]
  }): Promise<Joined>
  syncGroup(request: {
    readonly groupId: string
    readonly memberId: string
    readonly generationId: number
    readonly groupAssignment: readonly {
      readonly memberId: string
      readonly memberAssignment: Buffer
    }[]
  }): Promise<{ readonly memberAssignment: Buffer }>
  heartbeat(request: GroupPlace): Promise<unknown>
  offsetCommit(
    request: GroupPlace & {
      readonly topics: readonly {
        readonly topic: string
        readonly partitions: readonly { readonly partition: number; readonly offset: string }[]
      }[]
    },
  ): Promise<unknown>
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<unknown>
  /** The way around kafkajs' own decoding of answers. */
  readonly connectionPool: { send<T>(request: ProtocolRequest<T>): Promise<T> }
}

/** The broker knows batches it has already taken by their producer and the number of their first record. */
export interface Producer {
  readonly producerId: string
  readonly producerEpoch: number
}

export interface GroupPlace {
  readonly groupId: string
  readonly memberId: string
  readonly groupGenerationId: number
}

export interface Joined {
  readonly generationId: number
  readonly leaderId: string
  readonly memberId: string
  /** Filled for the leader alone. */
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[]
}

export interface ProtocolRequest<T> {
  readonly request: object
  readonly requestTimeout: number
  readonly response: {
    decode(payload: Buffer): Promise<T>
    parse(decoded: T): Promise<T>
  }
}

/** The protocol's name of a refusal, e.g. NOT_LEADER_FOR_PARTITION; empty for all that is no refusal. */
export function refusalOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { type } = cause as { readonly type?: unknown }
    if (typeof type === 'string') return type
  }
  return ''
}

/** Answers that may be other ones soon: leaders and coordinators move, topics take a while to be known. */
const passing = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
  'NOT_ENOUGH_REPLICAS',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'NOT_CONTROLLER',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
])

/** The broker will not, now; it or another may do it when asked again. */
export function isPassing(refusal: string): boolean {
  return passing.has(refusal)
}

/** Answers that leave open whether it did anything. */
const unsure = new Set(['REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'UNKNOWN'])

export function isUnsure(refusal: string): boolean {
  return refusal === '' || unsure.has(refusal)
}

/** The broker has lost count of a producer's records: no answer any more to whether these are there. */
const countLost = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
])

export function unreachable(what: string, error: unknown): EbbError {
  const { message } = toError(error)
  return new EbbError('logUnreachable', `${what}: ${message}`, { cause: error })
}

export function rejected(what: string, error: unknown): EbbError {
  if (countLost.has(refusalOf(error))) return unreachable(what, error)
  const { message } = toError(error)
  return new EbbError('logRejected', `${what}: ${message}`, { cause: error })
}

export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
