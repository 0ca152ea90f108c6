/**
 * Records of the owned partitions, as they come. Each broker is asked for all partitions it leads at once, and one
 * request to it is under way at a time. A partition whose owner is slow is left out while it has enough waiting, so
 * it holds up no other; a partition that cannot go on fails alone.
 *
 * The offset to go on from is ours. Where the log has nothing at it, the partition fails with `offsetGone`:
 * nothing here ever jumps.
 */
import type { Logger } from 'pino'
import { EbbError } from '../../base/errors.ts'
import { steadyClock } from '../../base/time.ts'
import { readBatches } from './batches.ts'
import { waiting } from './deadline.ts'
import { type Fetched, fetch } from './fetch.ts'
import { newPlace, type Place, type Source } from './place.ts'
import type { Topic } from './topic.ts'
import { isPassing, refusalOf, rejected, toError } from './wire.ts'

/** As it stands on the log, so compressed. */
const partitionBytesMax = 256 * 1024
/** How long a broker waits for a first record: also how soon a partition that was left out is asked for again. */
const waitMs = 250
/** While some partition is left out. */
const shortWaitMs = 5
const retryDelayMs = 200
/** A topic may be unknown to a broker that has just started; one that is so for longer is gone. */
const missingMsMax = 10_000

export interface Feed {
  open(partition: number, offset: number): Source
  /** No partition can go on, from now on. */
  fail(error: Error): void
  close(): void
}

/** `topic` is the feed's own: its answers may take their time. */
export function openFeed(topic: Topic, logger: Logger): Feed {
  const { cluster } = topic.client
  const places = new Set<Place>()
  const brokersAsked = new Set<string>()
  /** Brokers that did not answer last time; told once. */
  const silent = new Set<string>()
  const closing = new AbortController()
  let failure: Error | null = null
  let missingSinceMs = Number.POSITIVE_INFINITY

  /** Starts a request to each broker that has none and leads a partition with room. */
  function pump(): void {
    if (closing.signal.aborted) return
    const wanted = [...places].filter(place => place.wantsMore())
    // Whoever waits longest comes first: an answer is bounded.
    wanted.sort((one, other) => one.answeredAtMs - other.answeredAtMs)
    const led = Map.groupBy(wanted, leaderOf)
    for (const [nodeId, group] of led) if (!brokersAsked.has(nodeId)) void ask(nodeId, group)
  }

  function leaderOf({ partition }: Place): string {
    return Object.keys(cluster.findLeaderForPartitions(topic.name, [partition]))[0] ?? 'none'
  }

  async function ask(nodeId: string, led: readonly Place[]): Promise<void> {
    brokersAsked.add(nodeId)
    for (const place of led) place.asked = true
    const askedAtMs = steadyClock()
    const leftOut = [...places].some(place => !place.asked)
    try {
      await cluster.refreshMetadataIfNecessary()
      const broker = await cluster.findBroker({ nodeId })
      const wanted = led.map(({ partition, nextOffset }) => ({ partition, offset: nextOffset }))
      const limits = { waitMs: leftOut ? shortWaitMs : waitMs, partitionBytesMax }
      const answers = await fetch(broker, topic.name, wanted, limits)
      silent.delete(nodeId)
      for (const place of led) place.unansweredSinceMs = null
      const taken = await Promise.all(answers.map(answer => take(led, answer)))
      if (taken.includes(false)) await again()
    } catch (error) {
      const level = closing.signal.aborted || silent.has(nodeId) ? 'debug' : 'warn'
      logger[level]({ topic: topic.name, broker: nodeId, err: error }, 'No records from a broker.')
      silent.add(nodeId)
      for (const place of led) place.unansweredSinceMs ??= askedAtMs
      await again()
    }
    for (const place of led) place.asked = false
    brokersAsked.delete(nodeId)
    pump()
  }

  /** After a failure that may pass: not at once, and with a fresh look at who leads. */
  async function again(): Promise<void> {
    await waiting(retryDelayMs, closing.signal)
    if (closing.signal.aborted) return
    try {
      await topic.refresh()
      missingSinceMs = Number.POSITIVE_INFINITY
    } catch (error) {
      if (!(error instanceof EbbError) || error.code !== 'topicMissing') return
      missingSinceMs = Math.min(missingSinceMs, steadyClock())
      if (steadyClock() - missingSinceMs > missingMsMax) fail(error)
    }
  }

  function fail(error: Error): void {
    failure = error
    for (const place of places) place.fail(error)
  }

  /** False if it is to be asked again after a while. */
  async function take(led: readonly Place[], answer: Fetched): Promise<boolean> {
    const place = led.find(({ partition }) => partition === answer.partition)
    if (!place || place.stopped) return true
    try {
      if (answer.error) return await refused(place, answer.error)
      place.take(await readBatches(answer.bytes, place.nextOffset), answer.endOffset)
      return true
    } catch (error) {
      if (error instanceof EbbError && error.retriable) return false
      place.fail(described(topic.name, place, toError(error)))
      return true
    }
  }

  async function refused(place: Place, error: Error): Promise<boolean> {
    const refusal = refusalOf(error)
    const { partition, nextOffset } = place
    if (refusal === 'OFFSET_OUT_OF_RANGE') {
      await checkOffset(topic, partition, nextOffset)
      return false // It is there after all: a leader that has just changed.
    }
    if (isPassing(refusal)) return false
    throw rejected(`Topic ${topic.name} partition ${partition}`, error)
  }

  return {
    open(partition, offset) {
      const stopped = () => places.delete(place)
      const place = newPlace({ partition, offset, stopped, roomMade: pump })
      places.add(place)
      if (failure) place.fail(failure)
      pump()
      return place
    },
    fail,
    close() {
      closing.abort()
      for (const place of places) place.stop()
    },
  }
}

function described(topicName: string, { partition, nextOffset }: Place, error: Error): Error {
  if (!(error instanceof EbbError) || error.code !== 'batchUnreadable') return error
  const what = `Topic ${topicName} partition ${partition} at offset ${nextOffset}: ${error.message}`
  return new EbbError('batchUnreadable', what, { cause: error })
}

/** Throws `offsetGone` for an offset that the log does not have now. */
export async function checkOffset(topic: Topic, partition: number, offset: number): Promise<void> {
  const { startOffset, endOffset } = await topic.bounds(partition)
  if (offset >= startOffset && offset <= endOffset) return
  throw new EbbError(
    'offsetGone',
    `Offset ${offset} of topic ${topic.name} partition ${partition} is not kept: ` +
      `the log has ${startOffset} to ${endOffset}.`,
  )
}
