/**
 * From the alerts topic to deliveries, as an owner of its partitions. In this order, so that a crash at any
 * point loses none: the rows of new deliveries, the deliveries themselves, progress.
 *
 * Progress stands at the first record with a delivery that has not ended. A restart reads from there again:
 * records get back their deliveries as stored, and each body is the log's own, the first one seen under its
 * id. While it catches up nothing is sent, since a later record may make an earlier one void.
 */
import { hash } from 'node:crypto'
import { EbbError } from '../base/errors.ts'
import { partitionOf } from '../base/slot.ts'
import { decodeAlert } from '../log/codec.ts'
import type { Lease, Log, LogRecord, Owner } from '../log/log.ts'
import type { AlertRecord } from '../log/record.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { EndpointBook } from './book.ts'
import { type Courier, type Delivery, endedRow, type Message } from './courier.ts'
import {
  type DeliveryRow,
  deliveriesOf,
  type Logger,
  openDeliveries,
  persist,
} from './deliveries.ts'
import { voidDeliveries } from './pairs.ts'
import { checkLog, readProgress, recordHash, writeProgress } from './progress.ts'

const erasedReason = 'the user was erased'
export const bodyGone = 'its alert is no longer on the log'

/** Of so many messages per partition the body's hash is held, to notice when an id comes with another body. */
const bodiesMax = 10_000

export interface OutboxCounts {
  /** Records whose message was on the log before. */
  duplicates: number
  /** Those of them with another body than the first: the first one is kept. */
  changedBodies: number
  /** Records that are no alert. */
  dead: number
}

interface Reading {
  readonly partition: number
  /** The end of the log when we came. */
  readonly catchUpTo: number
  /** Retention took records that had open deliveries. */
  orphans: boolean
  /** The next record to be read; below `seen` it is read again. */
  position: number
  /** As in progress.ts. */
  seen: number
  seenHash: string
  version: number
  /** The position as of which progress is stored. */
  stored: number
  /** With open deliveries, by offset, ascending. */
  readonly messages: Map<number, Message>
  /** Message id to the hash of its body. */
  readonly bodies: Map<string, string>
  held: Delivery[]
  /** Users whose records before the offset are not sent. */
  readonly erased: Map<string, number>
  waiting: { readonly offset: number; readonly reached: PromiseWithResolvers<void> }[]
}

export interface Outbox {
  readonly owner: Owner
  readonly counts: Readonly<OutboxCounts>
  /** No delivery of it is open any more. */
  ended(message: Message): void
  /** Resolves when nothing that is on the log for this user now can be sent any more, whatever crashes. */
  cancelUser(userId: string): Promise<void>
}

interface Options {
  readonly log: Log
  readonly store: Store
  readonly topic: string
  readonly clock: () => number
  readonly logger: Logger
  readonly stopped: AbortSignal
  readonly book: EndpointBook
  readonly courier: Courier
  write(rows: readonly DeliveryRow[]): Promise<void>
}

export function createOutbox(options: Options): Outbox {
  const { log, store, topic, clock, logger, book, courier, write } = options
  const readings = new Map<number, Reading>()
  /** What is open of them is still carried; they are read on after a restart. */
  const broken = new Set<number>()
  const counts: OutboxCounts = { duplicates: 0, changedBodies: 0, dead: 0 }

  async function open(partition: number): Promise<number> {
    const progress = await persist(() => readProgress(store, topic, partition), options)
    if (progress) await checkLog(log, topic, partition, progress)
    const { startOffset, endOffset } = await log.bounds(topic, partition)
    const seen = progress?.seenOffset ?? startOffset
    const next = progress?.nextOffset ?? startOffset
    // Unseen records that are gone are the log's to complain of: only seen ones may be passed over.
    const position = Math.max(next, Math.min(startOffset, seen))
    readings.set(partition, {
      partition,
      catchUpTo: endOffset,
      orphans: next < position,
      position,
      seen,
      seenHash: progress?.seenHash ?? '',
      version: progress?.version ?? 0,
      stored: position,
      messages: new Map(),
      bodies: new Map(),
      held: [],
      erased: new Map(),
      waiting: [],
    })
    return position
  }

  async function records(
    partition: number,
    batch: readonly LogRecord[],
    lease: Lease,
  ): Promise<void> {
    const reading = readings.get(partition)!
    const sights = firstSights(reading, batch)
    const ids = sights.map(({ alert }) => alert.messageId)
    const stored = await persist(() => deliveriesOf(store, ids), options)
    const endpoints = await book.enabled()
    const taken = sights.map(({ alert, offset }) => {
      const rows = stored.get(alert.messageId)
      const isNew = rows === undefined && offset >= reading.seen
      const isSent = isNew && !(offset < (reading.erased.get(alert.userId) ?? 0))
      const fresh = isSent ? endpoints.map(({ id }) => freshRow(alert, id, clock())) : []
      return { alert, offset, fresh, open: rows?.filter(row => row.next_at !== null) ?? fresh }
    })
    if (lease.lost) return
    await write(taken.flatMap(({ fresh }) => fresh))
    if (lease.lost) return
    for (const { alert, offset, open } of taken) hold(reading, alert, offset, open)
    advance(reading, batch.at(-1)!)
    if (reading.position >= reading.catchUpTo) await releaseHeld(reading)
    if (lease.lost) return
    await save(reading)
    await lease.commit(reading.position)
  }

  function advance(reading: Reading, last: LogRecord): void {
    reading.position = last.offset + 1
    if (reading.position <= reading.seen) return
    reading.seen = reading.position
    reading.seenHash = recordHash(last.value)
  }

  /** The alerts to be sent of a batch, each message once. */
  function firstSights(reading: Reading, batch: readonly LogRecord[]) {
    const sights: { alert: AlertRecord; offset: number }[] = []
    for (const { offset, value } of batch) {
      const alert = decodeAlert(value)
      if ('kind' in alert) {
        counts.dead++
        const { partition } = reading
        logger.warn({ partition, offset, reason: alert.reason }, 'A record is no alert.')
      } else if (alert.send && isFirst(reading, alert)) sights.push({ alert, offset })
    }
    return sights
  }

  function isFirst({ bodies }: Reading, { messageId, alertId, body }: AlertRecord): boolean {
    const bodyHash = hash('sha256', body, 'base64url')
    const held = bodies.get(messageId)
    const isOpen = () =>
      [...courier.ofAlert(alertId)].some(({ row }) => row.message_id === messageId)
    if (held === undefined && !isOpen()) {
      const [oldest] = bodies.size >= bodiesMax ? bodies.keys() : []
      if (oldest !== undefined) bodies.delete(oldest)
      bodies.set(messageId, bodyHash)
      return true
    }
    counts.duplicates++
    if (held !== undefined && held !== bodyHash) {
      counts.changedBodies++
      logger.warn(
        { message: messageId },
        'A message came again with another body: the first stays.',
      )
    }
    return false
  }

  function hold(
    reading: Reading,
    alert: AlertRecord,
    offset: number,
    rows: readonly DeliveryRow[],
  ): void {
    if (rows.length === 0) return
    const { body, ...facts } = alert
    const message: Message = {
      alert: facts,
      partition: reading.partition,
      offset,
      body,
      open: 0,
    }
    reading.messages.set(offset, message)
    reading.held.push(...rows.map(row => courier.hold(message, row)))
  }

  /** Ends what is void by now and lets the rest go. */
  async function releaseHeld(reading: Reading): Promise<void> {
    const { held, erased } = reading
    reading.held = []
    if (reading.orphans) await endOrphans(reading)
    await courier.end(await voidDeliveries(store, courier, held), 'cancelled', 'the user returned')
    const gone = held.filter(
      ({ message }) => message.offset < (erased.get(message.alert.userId) ?? 0),
    )
    await courier.end(gone, 'cancelled', erasedReason)
    for (const delivery of held) courier.release(delivery)
  }

  /** Stored deliveries whose records retention took: they can be sent no more, and somebody must see it. */
  async function endOrphans(reading: Reading): Promise<void> {
    const partitions = await log.partitions(topic)
    const rows = await persist(() => openDeliveries(store), options)
    const orphans = rows.filter(
      row =>
        partitionOf(row.user_id, partitions) === reading.partition &&
        ![...courier.ofAlert(row.alert_id)].some(open => open.row.message_id === row.message_id),
    )
    await write(orphans.map(row => endedRow({ row }, 'dead', bodyGone)))
    reading.orphans = false
  }

  async function save(reading: Reading): Promise<void> {
    const { partition, position, seen, seenHash } = reading
    const [oldestOpen] = reading.messages.keys()
    const nextOffset = oldestOpen ?? position
    const version = ++reading.version
    const progress = { nextOffset, seenOffset: seen, seenHash, version }
    await persist(() => writeProgress(store, topic, partition, progress, clock()), options)
    reading.stored = position
    for (const [userId, offset] of reading.erased)
      if (offset <= position) reading.erased.delete(userId)
    for (const { offset, reached } of reading.waiting) if (offset <= position) reached.resolve()
    reading.waiting = reading.waiting.filter(({ offset }) => offset > position)
  }

  function giveUpWaiting(partition: number): void {
    const reading = readings.get(partition)
    for (const { reached } of reading?.waiting ?? []) reached.reject(readEnded())
  }

  async function close(partition: number, lost: boolean): Promise<void> {
    const reading = readings.get(partition)
    if (reading && !lost) await save(reading)
    courier.forget(partition)
    giveUpWaiting(partition)
    readings.delete(partition)
  }

  function failed(partition: number, error: Error): void {
    logger.error({ err: error, partition }, 'Webhooks read no further alerts of a partition.')
    broken.add(partition)
    giveUpWaiting(partition)
  }

  function ended(message: Message): void {
    const messages = readings.get(message.partition)?.messages
    if (messages?.get(message.offset) === message) messages.delete(message.offset)
  }

  async function cancelUser(userId: string): Promise<void> {
    const endOpen = () =>
      courier.end(
        [...courier.all()].filter(({ message }) => message.alert.userId === userId),
        'cancelled',
        erasedReason,
      )
    const reached = [...readings.values()].map(async reading => {
      const { endOffset } = await log.bounds(topic, reading.partition)
      reading.erased.set(userId, endOffset)
      if (broken.has(reading.partition)) throw readEnded()
      if (reading.stored >= endOffset) return
      const waiting = { offset: endOffset, reached: Promise.withResolvers<void>() }
      reading.waiting.push(waiting)
      await waiting.reached.promise
    })
    await Promise.all([endOpen(), ...reached])
    // A batch that was under way may have brought more.
    await endOpen()
  }

  return { owner: { open, records, close, failed }, counts, ended, cancelUser }
}

function readEnded(): EbbError {
  return new EbbError('logClosed', 'Webhooks read the log no further; try again after a restart.')
}

function freshRow(alert: AlertRecord, endpointId: string, nowMs: number): DeliveryRow {
  return {
    message_id: alert.messageId,
    endpoint_id: endpointId,
    attempt: 0,
    user_id: alert.userId,
    alert_id: alert.alertId,
    status: 'pending',
    code: 0,
    error: '',
    duration_ms: 0,
    at: rowTime(nowMs),
    next_at: rowTime(nowMs),
    version: 1,
  }
}
