/**
 * Carries deliveries: waits until each is due, sends it within the limits of lanes.ts, stores what came of
 * it, and waits again. In memory a delivery takes about half a kB, its body only until a first attempt
 * failed.
 *
 *   held -> waiting -> ready -> running -> waiting (failed, to be tried again)
 *                                       -> ended   (delivered, dead, stale, cancelled)
 *
 * A row is stored after its attempt: killed in between, Ebb repeats the attempt with the same id and bytes. Rows are
 * gathered for an insert; meanwhile the place of the attempt takes the next one, up to a bound.
 */

import { assert } from '../base/errors.ts'
import { type Fault, faultBook, untilRestart } from '../base/faults.ts'
import { after, pause } from '../base/time.ts'
import type { AlertRecord } from '../log/record.ts'
import type { EndpointBook } from './book.ts'
import type { Sender } from './deliver.ts'
import type { DeliveryRow, Logger } from './deliveries.ts'
import { createLanes } from './lanes.ts'
import {
  attemptRow,
  type Ending,
  endedRow,
  endings,
  isOldNews,
  isSuccess,
  refusal,
} from './verdict.ts'

export interface Message {
  readonly alert: Omit<AlertRecord, 'body'>
  /** Its place on the alerts topic, where its body can be read again. */
  readonly partition: number
  readonly offset: number
  body: string | undefined
  /** Deliveries of it that have not ended. */
  open: number
}

export interface Delivery {
  readonly message: Message
  /** As stored. */
  row: DeliveryRow
  /**
   * An attempt was made; or it came from the tables, untried by what they say: who had it before may have died between
   * the attempt and its row.
   */
  mayBeTried: boolean
  phase: 'held' | 'waiting' | 'ready' | 'running' | 'ended'
  /** Set while an attempt runs that is to be the last, unless it succeeds. */
  lastly: Ending | undefined
  cancelTimer: () => void
  /** While it runs or has ended: resolves when what came of it is stored. */
  ending: Promise<void>
}

export interface Courier {
  /** Takes charge of a delivery, and does nothing with it until it is released. */
  hold(message: Message, row: DeliveryRow, mayBeTried: boolean): Delivery
  release(delivery: Delivery): void
  /** Ends deliveries without a further attempt; resolves when that is stored. */
  end(deliveries: Iterable<Delivery>, ending: Ending): Promise<void>
  /** Resolves when what came of its attempts under way is stored, or they take too long: the next owner repeats them. */
  settle(partition: number): Promise<void>
  /** Lets go of those that another process now carries. */
  forget(partition: number): void
  all(): Iterable<Delivery>
  size(): number
  /** Of endpoints with deliveries that stand until a restart: one for each, however many stand. */
  faults(): Fault[]
  ofAlert(alertId: string): Iterable<Delivery>
  /** Begins no attempt any more; resolves when those under way are stored. */
  stop(): Promise<void>
}

/** A rebalance does not wait longer for receivers. */
const settleMsMax = 2_000

/** Surely, and not just by what is stored. */
export function isUntried({ row, mayBeTried }: Delivery): boolean {
  return row.attempt === 0 && !mayBeTried
}

/** Whether its stored row tells all that was tried of it. */
export function rowTellsAll({ row, phase, mayBeTried }: Delivery): boolean {
  if (phase === 'running' || phase === 'ended') return false
  return row.attempt > 0 || !mayBeTried
}

function isOver({ phase }: Delivery): boolean {
  return phase === 'ended'
}

export function createCourier(options: {
  readonly scheduleMs: readonly number[]
  readonly totalMax: number
  readonly laneMax: number
  readonly unstoredMax: number
  readonly clock: () => number
  readonly wallClock: () => number
  readonly random: () => number
  readonly logger: Logger
  readonly sender: Sender
  readonly book: EndpointBook
  write(rows: readonly DeliveryRow[]): Promise<void>
  /** Undefined: the log keeps it no longer. */
  readBody(message: Message): Promise<string | undefined>
  /** Its partition is another process's, which goes on with what is open. */
  isLost(partition: number): boolean
  onEnd(message: Message): void
  readonly stopped: AbortSignal
}): Courier {
  const { clock, logger, write, book } = options
  const waitMsMax = 2 * Math.max(...options.scheduleMs)
  const byAlert = new Map<string, Set<Delivery>>()
  /** What failed as nothing should, by its error. */
  const standing = new Map<Delivery, Error>()
  const faults = faultBook<string>(options.wallClock)
  const lanes = createLanes<Delivery>({ ...options, run })
  let stopping = false
  let unstored = 0

  function* all(): Iterable<Delivery> {
    for (const deliveries of byAlert.values()) yield* deliveries
  }

  /** From here on no attempt of it begins. */
  function halt(delivery: Delivery): void {
    delivery.cancelTimer()
    lanes.drop(delivery.row.endpoint_id, delivery)
    delivery.phase = 'ended'
  }

  function leave(delivery: Delivery): void {
    halt(delivery)
    const { alertId } = delivery.message.alert
    const siblings = byAlert.get(alertId)
    siblings?.delete(delivery)
    if (siblings?.size === 0) byAlert.delete(alertId)
    if (standing.delete(delivery)) tellStanding(delivery.row.endpoint_id)
  }

  function tellStanding(endpointId: string): void {
    const there = [...standing].filter(([{ row }]) => row.endpoint_id === endpointId)
    const [first] = there
    if (!first) {
      faults.end(endpointId)
      return
    }
    const [{ row }, error] = first
    const what = `Deliveries to endpoint ${endpointId} stand, ${there.length} in number, the first of message ${row.message_id}`
    faults.tell(endpointId, `${what}: ${error.message}`, untilRestart)
  }

  function release(delivery: Delivery): void {
    if (stopping || delivery.phase === 'ended') return
    const waitMs = Math.min((delivery.row.next_at ?? 0) - clock(), waitMsMax)
    const ready = () => {
      delivery.phase = 'ready'
      lanes.push(delivery.row.endpoint_id, delivery)
    }
    delivery.phase = 'waiting'
    if (waitMs <= 0) ready()
    else delivery.cancelTimer = after(waitMs, ready)
  }

  /** Stores the row first: progress may pass a message only when the end of its deliveries is stored. */
  async function store(delivery: Delivery, row: DeliveryRow): Promise<void> {
    if (row.next_at === null) halt(delivery)
    await write([row])
    delivery.row = row
    if (row.next_at !== null && delivery.lastly)
      return store(delivery, endedRow(row, delivery.lastly))
    if (row.next_at !== null) return release(delivery)
    leave(delivery)
    if (--delivery.message.open === 0) options.onEnd(delivery.message)
  }

  async function end(deliveries: Iterable<Delivery>, ending: Ending): Promise<void> {
    await Promise.all(
      [...deliveries].map(delivery => {
        if (delivery.phase === 'running') delivery.lastly = ending
        else if (delivery.phase !== 'ended')
          delivery.ending = store(delivery, endedRow(delivery.row, ending))
        return delivery.ending
      }),
    )
  }

  /** Resolves when its place is free for another. */
  function run(delivery: Delivery): Promise<void> {
    delivery.phase = 'running'
    const place = Promise.withResolvers<void>()
    delivery.ending = tryOnce(delivery, place.resolve)
      .catch(error => stand(delivery, error))
      .finally(place.resolve)
    return place.promise
  }

  function stand(delivery: Delivery, error: Error): void {
    const { message_id: message, endpoint_id: endpoint } = delivery.row
    logger.error({ err: error, message }, 'A delivery stands until restart.')
    // Another process goes on with it.
    if (options.isLost(delivery.message.partition)) return
    standing.set(delivery, error)
    tellStanding(endpoint)
  }

  async function tryOnce(delivery: Delivery, freePlace: () => void): Promise<void> {
    const { message, row } = delivery
    const isLost = () => options.isLost(message.partition)
    if (isLost()) return
    const endWith = (ending: Ending) => store(delivery, endedRow(row, ending))
    if (isUntried(delivery) && isOldNews(message.alert, clock())) return endWith(endings.stale)
    const body = message.body ?? (await options.readBody(message))
    if (body === undefined) return endWith(endings.bodyGone)
    const endpoint = await book.endpoint(row.endpoint_id)
    // Its partition may have gone to another process meanwhile.
    if (isOver(delivery) || isLost()) return
    const ending = delivery.lastly ?? refusal(endpoint)
    if (ending) return endWith(ending)
    if (stopping) return
    assert(endpoint, 'what is not refused has an endpoint')
    const startMs = clock()
    const attempt = { endpoint, messageId: row.message_id, body, wallMs: options.wallClock() }
    delivery.mayBeTried = true
    const answer = await options.sender.send(attempt)
    // Cut off by stop: it is made again after the next start.
    if (answer.code === 0 && options.stopped.aborted) return
    // What failed here the new owner does again; that it was taken he must know.
    if (isLost() && !isSuccess(answer)) return
    const { scheduleMs, random } = options
    const times = { scheduleMs, random, startMs, endMs: clock() }
    // First: a crash in between would leave a dead delivery, and nobody who knew why to send no more there.
    if (answer.code === 410) await book.disable(row.endpoint_id)
    if (++unstored <= options.unstoredMax) freePlace()
    await store(delivery, attemptRow(row, answer, times)).finally(() => {
      unstored--
    })
    if (delivery.phase !== 'ended') message.body = undefined
    const names = { message: row.message_id, endpoint: row.endpoint_id }
    logger.info({ ...names, attempt: row.attempt + 1, ...answer }, 'A webhook was tried.')
  }

  return {
    hold(message, row, mayBeTried) {
      const delivery: Delivery = {
        message,
        row,
        mayBeTried,
        phase: 'held',
        lastly: undefined,
        cancelTimer: () => {},
        ending: Promise.resolve(),
      }
      message.open++
      const siblings = byAlert.get(message.alert.alertId) ?? new Set()
      byAlert.set(message.alert.alertId, siblings.add(delivery))
      return delivery
    },
    release,
    end,
    async settle(partition) {
      const underWay = [...all()].filter(
        // One that has ended is here until that is stored.
        ({ message, phase }) =>
          message.partition === partition && (phase === 'running' || phase === 'ended'),
      )
      const stored = Promise.allSettled(underWay.map(({ ending }) => ending))
      await Promise.race([stored, pause(settleMsMax, options.stopped)])
    },
    forget(partition) {
      for (const delivery of [...all()])
        if (delivery.message.partition === partition) leave(delivery)
    },
    all,
    size() {
      let count = 0
      for (const deliveries of byAlert.values()) count += deliveries.size
      return count
    },
    faults: faults.all,
    ofAlert: alertId => byAlert.get(alertId) ?? [],
    async stop() {
      stopping = true
      for (const delivery of all()) delivery.cancelTimer()
      await lanes.stop()
      await Promise.allSettled(Array.from(all(), ({ ending }) => ending))
    },
  }
}
