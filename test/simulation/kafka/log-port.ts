/**
 * The log port of one life. Who owns what is decided by the Kafka adapter's own code (membership, ownership, what is
 * held), before a coordinator of the simulation. Appends, bounds and reads go one of two ways:
 *
 *   ways.ts   calls on the partitions in memory, whoever leads them
 *             where leaders move: the adapter's own appends and questions, before simulated brokers
 */
import type { Logger } from 'pino'
import { EbbError } from '../../../services/base/errors.ts'
import { ownShare } from '../../../services/log/kafka/ownership.ts'
import type { Log, NewRecord, Ownership } from '../../../services/log/log.ts'
import type { Calls, Fate } from '../calls.ts'
import type { Chance } from '../chance.ts'
import type { Life, Scheduler } from '../scheduler.ts'
import type { Coordinator } from './coordinator.ts'
import { createFeed } from './feed.ts'
import { groupTopic } from './member.ts'
import type { Topics } from './topics.ts'
import { wayByLeaders, wayInMemory } from './ways.ts'

/** A process not heard of for so long loses its partitions; in production it is more. */
export const sessionMsMax = 5_000

/** How the world treats what a life asks of the log. */
export interface LogFates {
  append(life: Life, topic: string, partition: number): Fate
  read(life: Life, topic: string, partition: number): Fate
  /** One way; null while there is no way. */
  fetchMs(life: Life, topic: string, partition: number): number | null
  groupMs(life: Life): number | null
}

export interface LogWorld {
  readonly scheduler: Scheduler
  readonly calls: Calls
  readonly chance: Chance
  readonly topics: Topics
  readonly fates: LogFates
  readonly leadersMove: boolean
  coordinator(topic: string, group: string): Coordinator
  /** An append was answered with its first offset. */
  acknowledged(append: Acknowledged): void
}

export interface Acknowledged {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** As they were given to the log. */
  readonly records: readonly NewRecord[]
  /** Whether the log knows them when they are sent again. */
  readonly numbered: boolean
}

export function openLogPort(world: LogWorld, life: Life, logger: Logger): Log {
  const { topics, fates, leadersMove } = world
  const way = leadersMove ? wayByLeaders(world, life) : wayInMemory(world, life)
  const owned = new Set<Ownership>()
  let closed = false

  const checkOpen = () => {
    if (closed) throw new EbbError('logClosed', 'The log is closed.')
  }

  return {
    async ensure(name, { partitions }) {
      checkOpen()
      topics.create(name, partitions)
      return topics.count(name)
    },
    async partitions(name) {
      checkOpen()
      return topics.count(name)
    },
    async append(topic, partition, given) {
      checkOpen()
      topics.at(topic, partition)
      // Objects of this append alone: so it can be told which of the log's records are its.
      const records = given.map(record => ({ ...record }))
      const offset = await way.append(topic, partition, records)
      world.acknowledged({ topic, partition, offset, records, numbered: leadersMove })
      return offset
    },
    async bounds(topic, partition) {
      checkOpen()
      return way.bounds(topic, partition)
    },
    async read(topic, partition, offset, bytesMax) {
      checkOpen()
      return way.read(topic, partition, offset, bytesMax)
    },
    async own(name, group, owner) {
      checkOpen()
      topics.count(name)
      const link = {
        scheduler: world.scheduler,
        life,
        coordinator: world.coordinator(name, group),
        delayMs: () => fates.groupMs(life),
      }
      const ownership = await ownShare({
        open: async () => groupTopic(link, topics, name, partition => way.bounds(name, partition)),
        group,
        owner,
        sessionMsMax,
        logger,
        openFeed: () =>
          createFeed({
            ...world,
            life,
            topic: name,
            delayMs: partition => {
              const backMs = fates.fetchMs(life, name, partition)
              return topics.at(name, partition).leadership.leader === null ? null : backMs
            },
          }),
      })
      owned.add(ownership)
      return {
        async stop() {
          await ownership.stop()
          owned.delete(ownership)
        },
      }
    },
    async close() {
      await Promise.all([...owned].map(ownership => ownership.stop()))
      closed = true
      await way.close()
    },
  }
}
