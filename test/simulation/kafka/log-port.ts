/**
 * The log port of one life. Appends, bounds and reads are calls on the partitions in memory; who owns what is decided
 * by the Kafka adapter's own code (membership, ownership, what is held), before a coordinator of the simulation.
 */
import type { Logger } from 'pino'
import { EbbError } from '../../../services/base/errors.ts'
import { ownShare } from '../../../services/log/kafka/ownership.ts'
import type { Log, Ownership } from '../../../services/log/log.ts'
import type { Calls, Fate } from '../calls.ts'
import type { Chance } from '../chance.ts'
import type { Life, Scheduler } from '../scheduler.ts'
import type { Coordinator } from './coordinator.ts'
import { createFeed } from './feed.ts'
import { groupTopic } from './member.ts'
import type { Topics } from './topics.ts'

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
  coordinator(topic: string, group: string): Coordinator
}

export function openLogPort(world: LogWorld, life: Life, logger: Logger): Log {
  const { calls, topics, fates } = world
  const owned = new Set<Ownership>()
  let closed = false

  const checkOpen = () => {
    if (closed) throw new EbbError('logClosed', 'The log is closed.')
  }
  const bounds = (topic: string, partition: number) =>
    calls.read(life, `bounds ${topic} ${partition}`, fates.read(life, topic, partition), () =>
      topics.bounds(topic, partition),
    )

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
    async append(topic, partition, records) {
      checkOpen()
      topics.at(topic, partition)
      const label = `append ${records.length} to ${topic} ${partition}`
      const fate = fates.append(life, topic, partition)
      return calls.call(life, label, fate, () => topics.append(topic, partition, records))
    },
    async bounds(topic, partition) {
      checkOpen()
      return bounds(topic, partition)
    },
    async read(topic, partition, offset, bytesMax) {
      checkOpen()
      const label = `read ${topic} ${partition} from ${offset}`
      const limits = { bytesMax, recordsMax: Number.POSITIVE_INFINITY }
      return calls.read(life, label, fates.read(life, topic, partition), () =>
        topics.read(topic, partition, offset, limits),
      )
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
        open: async () => groupTopic(link, topics, name, partition => bounds(name, partition)),
        group,
        owner,
        sessionMsMax,
        logger,
        openFeed: () =>
          createFeed({
            ...world,
            life,
            topic: name,
            delayMs: partition => fates.fetchMs(life, name, partition),
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
    },
  }
}
