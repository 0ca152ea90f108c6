/** How appends, bounds and reads of one life reach the partitions. */
import { openAppends } from '../../../services/log/kafka/appends.ts'
import { settled } from '../../../services/log/kafka/deadline.ts'
import { openTopicOver } from '../../../services/log/kafka/topic.ts'
import type { Log } from '../../../services/log/log.ts'
import type { Life } from '../scheduler.ts'
import { type BrokersWorld, clientOf, overWire } from './brokers.ts'
import { checkLeads } from './leaders.ts'

export interface Way extends Pick<Log, 'append' | 'bounds' | 'read'> {
  close(): Promise<void>
}

/** How long closing waits for appends, as services/log/kafka.ts does. */
const drainMsMax = 5_000

/** Each is one call; what goes wrong with it is an error of the log at once. */
export function wayInMemory({ calls, topics, fates }: BrokersWorld, life: Life): Way {
  return {
    append(topic, partition, records) {
      const label = `append ${records.length} to ${topic} ${partition}`
      const fate = fates.append(life, topic, partition)
      return calls.call(life, label, fate, () => topics.append(topic, partition, records))
    },
    bounds: (topic, partition) =>
      calls.read(life, `bounds ${topic} ${partition}`, fates.read(life, topic, partition), () =>
        topics.bounds(topic, partition),
      ),
    read(topic, partition, offset, bytesMax) {
      const label = `read ${topic} ${partition} from ${offset}`
      const limits = { bytesMax, recordsMax: Number.POSITIVE_INFINITY }
      return calls.read(life, label, fates.read(life, topic, partition), () =>
        topics.read(topic, partition, offset, limits),
      )
    },
    close: async () => {},
  }
}

/** The Kafka adapter's: it looks the leader up, asks again, sends again, and knows when to give up. */
export function wayByLeaders(world: BrokersWorld, life: Life): Way {
  const { calls, topics, fates } = world
  const opened = new Map<string, ReturnType<typeof open>>()
  const load = { waitingBytes: 0 }

  async function open(name: string) {
    const topic = await openTopicOver(clientOf(world, life, name), name)
    return { topic, appends: openAppends(topic, load) }
  }

  function named(name: string): ReturnType<typeof open> {
    const known = opened.get(name)
    if (known) return known
    const opening = open(name)
    opened.set(name, opening)
    opening.catch(() => opened.delete(name))
    return opening
  }

  return {
    append: async (name, partition, records) =>
      (await named(name)).appends.append(partition, records),
    bounds: async (name, partition) => (await named(name)).topic.bounds(partition),
    async read(name, partition, offset, bytesMax) {
      const label = `read ${name} ${partition} from ${offset}`
      const limits = { bytesMax, recordsMax: Number.POSITIVE_INFINITY }
      const { topic } = await named(name)
      return topic.ask(partition, ({ nodeId }) => {
        const fate = overWire(fates.read(life, name, partition))
        return calls.read(life, label, fate, () => {
          checkLeads(topics.at(name, partition).leadership, Number(nodeId))
          return topics.read(name, partition, offset, limits)
        })
      })
    },
    async close() {
      const open = await Promise.allSettled(opened.values())
      const known = open.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
      await settled(Promise.all(known.map(({ appends }) => appends.drained())), drainMsMax)
      await Promise.all(known.map(({ topic }) => topic.close()))
    },
  }
}
