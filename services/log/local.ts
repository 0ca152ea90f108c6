/**
 * The log port over a storage of this process. Open until `close`: that stops the owners first, who may still
 * append while they flush, then commits what waits; afterwards everything is refused with `logClosed`.
 */
import { assert, EbbError } from '../base/errors.ts'
import { nextTurn } from '../base/time.ts'
import { groupCommit, type Place, placeOf } from './appends.ts'
import type { Log, LogRecord, Ownership, TopicSettings } from './log.ts'
import { ownAll } from './ownership.ts'
import { dropSome } from './retention.ts'
import { recordBytes, type Storage, type StoredTopic } from './storage.ts'

export interface LocalLog extends Log {
  /** Drops what the topics' settings no longer keep. A full disk throws `logFull`; try again later. */
  retain(): Promise<void>
}

interface Topic {
  settings: TopicSettings
  readonly places: readonly Place[]
}

/** What an owner gets at once, at most; a single larger record comes alone. */
const ownBytesMax = 1024 * 1024
const ownRecordsMax = 5000

export function openLocalLog(storage: Storage, clock: () => number): LocalLog {
  const topics = new Map(storage.topics().map(stored => [stored.name, topicOf(stored)]))
  const appends = groupCommit(storage, clock)
  /** By topic and group; one owner each. */
  const owned = new Map<string, Ownership>()
  let closing: Promise<void> | null = null
  let closed = false

  function topicNamed(name: string): Topic {
    if (closed) throw new EbbError('logClosed', 'The log is closed.')
    const topic = topics.get(name)
    if (!topic) throw new EbbError('topicMissing', `There is no topic ${name}.`)
    return topic
  }

  function placeAt(name: string, partition: number): Place {
    const place = topicNamed(name).places[partition]
    assert(place, `topic ${name} has a partition ${partition}`)
    return place
  }

  async function closeOnce(): Promise<void> {
    await Promise.all([...owned.values()].map(ownership => ownership.stop()))
    closed = true
    appends.flush()
    storage.close()
  }

  return {
    async ensure(name, settings) {
      if (closed) throw new EbbError('logClosed', 'The log is closed.')
      return ensureTopic(storage, topics, name, settings).places.length
    },
    async partitions(name) {
      return topicNamed(name).places.length
    },
    async append(name, partition, records) {
      return appends.append(placeAt(name, partition), records)
    },
    async bounds(name, partition) {
      const { startOffset, endOffset } = placeAt(name, partition).state
      return { startOffset, endOffset }
    },
    async read(name, partition, offset, bytesMax) {
      const place = placeAt(name, partition)
      return readSome(storage, place, offset, { bytesMax, recordsMax: Infinity })
    },
    async own(name, group, owner) {
      const { places } = topicNamed(name)
      if (closing) throw new EbbError('logClosed', 'The log is closing.')
      const key = JSON.stringify([name, group])
      assert(
        !owned.has(key),
        `group ${group} owns topic ${name} once in a process: stop that first`,
      )
      const limits = { bytesMax: ownBytesMax, recordsMax: ownRecordsMax }
      const partitions = places.map(place => ({
        appended: place.appended,
        read: (offset: number) => readSome(storage, place, offset, limits),
      }))
      const ownership = ownAll(partitions, owner)
      owned.set(key, ownership)
      return {
        async stop() {
          await ownership.stop()
          if (owned.get(key) === ownership) owned.delete(key)
        },
      }
    },
    async retain() {
      for (const { places, settings } of [...topics.values()])
        for (const place of places)
          while (!closed && dropSome(storage, place, settings, clock())) await nextTurn()
    },
    close() {
      closing ??= closeOnce()
      return closing
    },
  }
}

function topicOf({ settings, partitions }: StoredTopic): Topic {
  return { settings, places: partitions.map(placeOf) }
}

/** A topic keeps the partitions it was made with; its retention follows the latest settings. */
function ensureTopic(
  storage: Storage,
  topics: Map<string, Topic>,
  name: string,
  settings: TopicSettings,
): Topic {
  const { partitions, retentionMs, retentionBytes } = settings
  assert(Number.isInteger(Math.log2(partitions)), 'the number of partitions is a power of two')
  let topic = topics.get(name)
  if (!topic) {
    topic = topicOf(storage.create(name, settings))
    topics.set(name, topic)
  } else if (
    topic.settings.retentionMs !== retentionMs ||
    topic.settings.retentionBytes !== retentionBytes
  ) {
    storage.setRetention(name, settings)
    topic.settings = settings
  }
  return topic
}

function readSome(
  storage: Storage,
  { state }: Place,
  offset: number,
  limits: { readonly bytesMax: number; readonly recordsMax: number },
): LogRecord[] {
  const { id, startOffset, endOffset } = state
  if (offset < startOffset || offset > endOffset)
    throw new EbbError(
      'offsetGone',
      `Offset ${offset} is not kept: the partition has ${startOffset} to ${endOffset}.`,
    )
  const records: LogRecord[] = []
  let sizeBytes = 0
  while (offset + records.length < endOffset)
    for (const record of storage.read(id, offset + records.length)) {
      sizeBytes += recordBytes(record)
      const full = sizeBytes > limits.bytesMax || records.length === limits.recordsMax
      if (full && records.length > 0) return records
      records.push(record)
    }
  return records
}
