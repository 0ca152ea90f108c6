/** What the brokers of the simulation hold: partitions in memory, with all that was ever appended beside for the oracle. */
import { assert, EbbError } from '../../../services/base/errors.ts'
import { partitionOf } from '../../../services/base/slot.ts'
import { type Bell, bell } from '../../../services/log/bell.ts'
import type { Bounds, LogRecord, NewRecord } from '../../../services/log/log.ts'
import { recordBytes } from '../../../services/log/storage.ts'
import { firstLeadership } from './leaders.ts'

export interface TopicPartition {
  startOffset: number
  /** From offset 0 on; those below startOffset are no longer served. */
  records: LogRecord[]
  /** How far the clock of its leader is off. */
  skewMs: number
  readonly appended: Bell
  readonly leadership: Leadership
  /** By producer, its latest batches: every replica knows them, so each new leader does. */
  readonly batches: Map<string, readonly Batch[]>
  /** Beside each record, what the append was given. */
  readonly given: NewRecord[]
}

/** Who leads a partition (kafka/leaders.ts). */
export interface Leadership {
  /** By number; null while nobody does. */
  leader: number | null
  /** Whom the metadata name; null: nobody. */
  named: number | null
  /** Led, and answers nobody any more. */
  dead: number | null
  /** How far the clock of who leads is off, since he does. */
  skewMs: number
  /** What waits for the next append. */
  move: { readonly moment: 'before' | 'behind'; readonly strike: () => void } | null
}

/** What a broker knows of a batch that it has taken. */
export interface Batch {
  readonly sequence: number
  readonly count: number
  readonly offset: number
}

export interface Topics {
  create(topic: string, partitions: number): void
  names(): string[]
  count(topic: string): number
  /** Where the records of a user stand. */
  partitionOf(topic: string, key: string): number
  at(topic: string, partition: number): TopicPartition
  append(topic: string, partition: number, records: readonly NewRecord[]): number
  bounds(topic: string, partition: number): Bounds
  read(topic: string, partition: number, offset: number, limits: Limits): LogRecord[]
  nextProducerId(): string
  /** Retention: nothing before the offset is served. */
  dropBefore(topic: string, partition: number, offset: number): void
  /** A leader without the last records came to power: they are gone, their offsets are given again. */
  truncate(topic: string, partition: number, endOffset: number): void
}

interface Limits {
  readonly bytesMax: number
  readonly recordsMax: number
}

export function createTopics(clock: () => number): Topics {
  const topics = new Map<string, TopicPartition[]>()
  let producers = 0

  function partitionsOf(name: string): TopicPartition[] {
    const partitions = topics.get(name)
    if (!partitions) throw new EbbError('topicMissing', `There is no topic ${name}.`)
    return partitions
  }

  function at(topic: string, partition: number): TopicPartition {
    const place = partitionsOf(topic)[partition]
    assert(place, `topic ${topic} has a partition ${partition}`)
    return place
  }

  return {
    create(topic, partitions) {
      if (topics.has(topic)) return
      const empty = (partition: number) => ({
        ...{ startOffset: 0, records: [], skewMs: 0, appended: bell() },
        ...{ leadership: firstLeadership(partition), batches: new Map(), given: [] },
      })
      topics.set(
        topic,
        Array.from({ length: partitions }, (_, partition) => empty(partition)),
      )
    },
    names: () => [...topics.keys()],
    count: topic => partitionsOf(topic).length,
    partitionOf: (topic, key) => partitionOf(key, partitionsOf(topic).length),
    at,
    append(topic, partition, records) {
      const place = at(topic, partition)
      const first = place.records.length
      const appendMs = clock() + place.skewMs + place.leadership.skewMs
      records.forEach(({ key, value }, index) => {
        place.records.push({ offset: first + index, appendMs, key, value: copied(value) })
      })
      place.given.push(...records)
      place.appended.ring()
      return first
    },
    bounds(topic, partition) {
      const { startOffset, records } = at(topic, partition)
      return { startOffset, endOffset: records.length }
    },
    read(topic, partition, offset, limits) {
      const { startOffset, records } = at(topic, partition)
      if (offset < startOffset || offset > records.length)
        throw new EbbError(
          'offsetGone',
          `Offset ${offset} is not kept: the partition has ${startOffset} to ${records.length}.`,
        )
      return bounded(records, offset, limits)
    },
    nextProducerId: () => String(++producers),
    dropBefore(topic, partition, offset) {
      const place = at(topic, partition)
      place.startOffset = Math.max(place.startOffset, Math.min(offset, place.records.length))
    },
    truncate(topic, partition, endOffset) {
      const place = at(topic, partition)
      place.records = place.records.slice(0, endOffset)
      place.given.length = place.records.length
      place.startOffset = Math.min(place.startOffset, endOffset)
    },
  }
}

/** What a writer does to its buffer later must not reach the log. */
function copied(value: Buffer | null): Buffer | null {
  return value === null ? null : Buffer.from(value)
}

function bounded(records: readonly LogRecord[], offset: number, limits: Limits): LogRecord[] {
  let sizeBytes = 0
  let end = offset
  for (; end < records.length && end - offset < limits.recordsMax; end++) {
    sizeBytes += recordBytes(records[end]!)
    if (end > offset && sizeBytes > limits.bytesMax) break
  }
  return records.slice(offset, end)
}
