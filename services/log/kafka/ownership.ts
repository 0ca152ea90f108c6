/** This process's share of a topic's partitions, as the group gives it. */
import type { Logger } from 'pino'
import { EbbError } from '../../base/errors.ts'
import { every, pause, steadyClock } from '../../base/time.ts'
import type { Owner, Ownership } from '../log.ts'
import { createReopening, type Reopening } from '../reopening.ts'
import { type Feed, openFeed } from './feed.ts'
import { type Held, hold } from './held.ts'
import { startMembership } from './membership.ts'
import type { Topic } from './topic.ts'

const watchIntervalMs = 1_000
/** A partition with records to take that takes none for so long stands. */
const standingMsMin = 60_000
/** A partition whose leader does not answer for less is on its way to another. */
const unansweredMsMin = 5_000

export interface Standing {
  readonly topic: string
  readonly group: string
  readonly partition: number
  /** Records on the log that its owner has not taken, as far as is known. */
  readonly behind: number
  readonly standingMs: number
}

/** What cannot be reached, as a sentence, and for how long. */
export interface Unseen {
  readonly what: string
  readonly forMs: number
}

export interface SharedOwnership extends Ownership {
  /** Partitions that do not move though they should, for a health check; each is logged as well. */
  standing(): Standing[]
  /** Of Kafka, what does not answer now; none: records can come. */
  unseen(): Unseen[]
}

export interface OwnOptions {
  readonly open: () => Promise<Topic>
  readonly group: string
  readonly owner: Owner
  readonly sessionMsMax: number
  readonly logger: Logger
  /** Where records come from: brokers, unless the simulator brings its own. */
  readonly openFeed?: (topic: Topic, logger: Logger) => Feed
}

/** Resolves when the group has taken this member in. Throws `topicMissing`; `logRejected` when it refuses. */
export async function ownShare(options: OwnOptions): Promise<SharedOwnership> {
  const { group, owner, sessionMsMax, logger } = options
  const topic = await options.open()
  const groupTopic = await options.open().catch(async error => {
    await topic.close()
    throw error
  })
  const partitions = topic.partitions()
  const feed = (options.openFeed ?? openFeed)(topic, logger)
  const held = new Map<number, Held>()
  /** By partition: when nothing of its latest life here runs any more. */
  const lives = new Map<number, Promise<void>>()
  const reopenings = new Map<number, Reopening>()
  const stopping = new AbortController()

  function take(partition: number): void {
    const life = hold({
      partition,
      owner,
      earlier: lives.get(partition) ?? Promise.resolve(),
      open: offset => feed.open(partition, offset),
      expired() {
        if (!membership.expired()) return false
        loseAll()
        return true
      },
      logger,
    })
    lives.set(partition, life.done)
    held.set(partition, life)
    void life.done.then(() => reopen(life))
  }

  async function reopen(life: Held): Promise<void> {
    const { partition, failure, openedOffset } = life
    if (!failure) return
    const reopening = reopenings.get(partition) ?? createReopening()
    reopenings.set(partition, reopening)
    const delayMs = reopening(failure, openedOffset)
    if (delayMs === undefined) return
    await pause(delayMs, stopping.signal)
    if (stopping.signal.aborted) return
    // It may have been given away meanwhile, or given to us anew.
    if (!life.ending && held.get(partition) === life) take(partition)
    // What was told of it is another's to mend.
    else if (!held.has(partition)) await owner.close(partition, true).catch(() => undefined)
  }

  function loseAll(): void {
    for (const life of held.values()) life.lose()
    held.clear()
    membership.rejoin()
  }

  async function shared(share: readonly number[], sizeNow: number | null): Promise<boolean> {
    if (stopping.signal.aborted) return false
    checkSize(sizeNow ?? partitions)
    for (const partition of share) {
      const life = held.get(partition)
      if (!life || life.ending) take(partition)
    }
    const gone = [...held.values()].filter(({ partition }) => !share.includes(partition))
    await Promise.all(gone.map(life => life.giveBack()))
    for (const life of gone) if (held.get(life.partition) === life) held.delete(life.partition)
    return gone.length > 0
  }

  function hints(): Map<number, number> {
    const known = new Map<number, number>()
    for (const { partition, hint } of held.values())
      if (hint !== undefined) known.set(partition, hint)
    return known
  }

  const membership = startMembership({
    topic: groupTopic,
    group,
    sessionMsMax,
    logger,
    held: () => [...held.keys()],
    shared,
    lost: loseAll,
    hints,
  })

  function standing(): Standing[] {
    const nowMs = steadyClock()
    return [...held.values()].flatMap(({ partition, source, handledOffset, movedAtMs }) => {
      if (!source || source.stopped || handledOffset === null) return []
      const behind = source.endOffset - handledOffset
      const sinceMs = behind > 0 ? Math.max(movedAtMs, source.caughtUpAtMs) : source.answeredAtMs
      const standingMs = nowMs - sinceMs
      if (standingMs < standingMsMin) return []
      return [{ topic: topic.name, group, partition, behind, standingMs }]
    })
  }

  function unseen(): Unseen[] {
    const nowMs = steadyClock()
    const sinceMs = membership.unseenSinceMs()
    if (sinceMs !== null) {
      const what = `Kafka's group ${group} does not answer, so no partition of ${topic.name} is ours`
      return [{ what, forMs: nowMs - sinceMs }]
    }
    return [...held.values()].flatMap(({ partition, source }) => {
      if (!source || source.stopped || source.unansweredSinceMs === null) return []
      const forMs = nowMs - source.unansweredSinceMs
      const what = `No broker gives records of ${topic.name} partition ${partition}`
      return forMs < unansweredMsMin ? [] : [{ what, forMs }]
    })
  }

  function checkSize(now: number): void {
    if (now !== partitions) feed.fail(grown(topic.name, partitions, now))
  }

  let told = new Set<number>()
  const stopWatching = every(watchIntervalMs, () => {
    // An owner that does nothing asks for nothing, and would not hear of it.
    if (membership.expired()) loseAll()
    membership.runs()
    checkSize(topic.partitions())
    const now = standing()
    for (const entry of now)
      if (!told.has(entry.partition)) logger.error(entry, 'A partition stands still.')
    told = new Set(now.map(({ partition }) => partition))
  })

  async function stop(): Promise<void> {
    stopping.abort()
    await Promise.all([...held.values()].map(life => life.end()))
    stopWatching()
    await membership.stop()
    feed.close()
    await Promise.all([topic.close(), groupTopic.close()])
  }

  try {
    await membership.joined
  } catch (error) {
    await stop()
    throw error
  }
  let stopped: Promise<void> | undefined
  return {
    standing,
    unseen,
    stop() {
      stopped ??= stop()
      return stopped
    },
  }
}

function grown(name: string, before: number, now: number): EbbError {
  return new EbbError(
    'topicMismatch',
    `Topic ${name} had ${before} partitions and now has ${now}: users would change their partition. ` +
      'Partitions never grow in place; growth is a new topic.',
  )
}
