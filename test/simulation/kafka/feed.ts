/** Records for the owners of one process, in batches whose ends are chance. */
import type { Feed } from '../../../services/log/kafka/feed.ts'
import { newPlace, type Place } from '../../../services/log/kafka/place.ts'
import type { Chance } from '../chance.ts'
import type { Life, Scheduler } from '../scheduler.ts'
import type { Topics } from './topics.ts'

const batchRecordsMax = 40
const retryDelayMs = 200

export function createFeed(options: {
  readonly scheduler: Scheduler
  readonly chance: Chance
  readonly life: Life
  readonly topics: Topics
  readonly topic: string
  /** One way; null while the partition's leader cannot be reached. */
  readonly delayMs: (partition: number) => number | null
}): Feed {
  const { scheduler, chance, life, topics, topic, delayMs } = options
  const places = new Set<Place>()
  let failure: Error | null = null

  function pump(place: Place): void {
    if (place.stopped || failure || !place.wantsMore()) return
    place.asked = true
    ask(place)
  }

  function ask(place: Place): void {
    const label = `${life.name} fetches ${topic} ${place.partition}`
    scheduler.plan(delayMs(place.partition) ?? retryDelayMs, null, label, () => arrive(place))
  }

  function arrive(place: Place): void {
    if (!life.alive || place.stopped) return
    const backMs = delayMs(place.partition)
    if (backMs === null) {
      ask(place)
      return
    }
    const limits = { bytesMax: 1 << 20, recordsMax: chance.whole(1, batchRecordsMax) }
    const answer = (then: () => void) =>
      void scheduler.plan(backMs, life, `fetched ${topic} ${place.partition}`, then)
    try {
      const records = topics.read(topic, place.partition, place.nextOffset, limits)
      if (records.length === 0) {
        void topics
          .at(topic, place.partition)
          .appended.next()
          .then(() => ask(place))
        return
      }
      const { endOffset } = topics.bounds(topic, place.partition)
      answer(() => {
        place.asked = false
        if (!place.stopped) place.take(records, endOffset)
        pump(place)
      })
    } catch (error) {
      answer(() => place.fail(error as Error))
    }
  }

  return {
    open(partition, offset) {
      const place = newPlace({
        partition,
        offset,
        stopped: () => places.delete(place),
        roomMade: () => pump(place),
      })
      places.add(place)
      if (failure) place.fail(failure)
      pump(place)
      return place
    },
    fail(error) {
      failure = error
      for (const place of places) place.fail(error)
    },
    close() {
      for (const place of [...places]) place.stop()
    },
  }
}
