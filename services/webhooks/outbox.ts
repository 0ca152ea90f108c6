/**
 * From the alerts topic to deliveries, as an owner of its partitions. In this order, so that a crash at any
 * point loses none: the rows of new deliveries, the deliveries themselves, progress.
 *
 * Progress stands at the first record with a delivery that has not ended. A restart reads from there again:
 * records get back their deliveries as stored, and each body is the log's own, the first one seen under its
 * id. While it catches up nothing is sent, since a later record may make an earlier one void.
 */
import { type Fault, faultBook, nextWhereItStands } from '../base/faults.ts'
import { partitionOf } from '../base/slot.ts'
import { decodeErasure } from '../log/codec.ts'
import type { Lease, Log, LogRecord, Owner } from '../log/log.ts'
import { type AlertRecord, type Erasure, isTaken } from '../log/record.ts'
import { erasuresOfUsers, forgetIn } from '../processor/erasures.ts'
import type { Store } from '../store/store.ts'
import type { EndpointBook } from './book.ts'
import { type Courier, type Delivery, type Message, rowTellsAll } from './courier.ts'
import {
  type DeliveryRow,
  deliveriesOf,
  type Logger,
  openDeliveries,
  persist,
} from './deliveries.ts'
import { voidDeliveries } from './pairs.ts'
import { writeProgress } from './progress.ts'
import {
  advance,
  holdUntried,
  isCaughtUp,
  mayBeTried,
  openReading,
  progressOf,
  type Reading,
} from './reading.ts'
import { type Counts, createSights, type Sight } from './sights.ts'
import { endedRow, endings, freshRow } from './verdict.ts'

export interface Outbox {
  readonly owner: Owner
  readonly counts: Readonly<Counts>
  /** Where each partition is read next. */
  positions(): ReadonlyMap<number, number>
  /** Of partitions that are read no further. */
  faults(): Fault[]
  /** Whether another process has the partition by now, perhaps without our having heard of it. */
  isLost(partition: number): boolean
  /** No delivery of it is open any more. */
  ended(message: Message): void
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

const unknownAlerts =
  'The tables know nothing of what webhooks sent, and the first alerts of a partition are gone from the log: whether they were sent is not known. Webhooks begin with the first that is there.'

export function createOutbox(options: Options): Outbox {
  const { log, store, topic, clock, logger, book, courier, write } = options
  const readings = new Map<number, Reading>()
  const faults = faultBook<number>()
  const counts: Counts = { duplicates: 0, changedBodies: 0, dead: 0 }

  const isOpen = ({ alertId, messageId }: AlertRecord) =>
    [...courier.ofAlert(alertId)].some(({ row }) => row.message_id === messageId)

  async function open(partition: number): Promise<number> {
    // One that failed was not closed: what is left of it would pass for what is read now.
    courier.forget(partition)
    const firstSights = createSights({ counts, logger, partition, isOpen })
    const place = { log, store, topic, partition }
    const reading = await persist(() => openReading(place, firstSights), options)
    readings.set(partition, reading)
    faults.end(partition)
    const { gone } = reading
    if (gone > 0) logger.warn({ partition, gone }, unknownAlerts)
    if (isCaughtUp(reading)) await releaseHeld(reading)
    return reading.position
  }

  async function records(
    partition: number,
    batch: readonly LogRecord[],
    lease: Lease,
  ): Promise<void> {
    const reading = readings.get(partition)!
    reading.lease = lease
    for (const { records, erased } of untilErasures(batch)) {
      const { offset } = records.at(-1)!
      if (!(await take(reading, records, lease))) return
      // One that was seen before was done then.
      if (erased !== undefined && offset >= reading.seen) await forgetUser(reading, erased, lease)
      if (lease.lost) return
      advance(reading, records.at(-1)!)
      if (isCaughtUp(reading) && reading.triedBelow !== null) await tellTrying(reading)
      if (lease.lost) return
      if (isCaughtUp(reading)) await releaseHeld(reading)
      if (lease.lost) return
      await save(reading)
      await lease.commit(reading.position)
    }
  }

  /** Makes the deliveries of these records, and holds them; false when the partition was lost meanwhile. */
  async function take(
    reading: Reading,
    batch: readonly LogRecord[],
    lease: Lease,
  ): Promise<boolean> {
    const sights = await withoutErased(reading.firstSights(batch))
    const ids = sights.map(({ alert }) => alert.messageId)
    const stored = await persist(() => deliveriesOf(store, ids), options)
    const endpoints = await book.enabled()
    const taken = sights.map(({ alert, offset }) => {
      const rows = stored.get(alert.messageId)
      const isNew = rows === undefined && offset >= reading.seen
      const fresh = isNew ? endpoints.map(({ id }) => freshRow(alert, id, clock())) : []
      return { alert, offset, fresh, open: rows?.filter(row => row.next_at !== null) ?? fresh }
    })
    if (lease.lost) return false
    await write(taken.flatMap(({ fresh }) => fresh))
    if (lease.lost) return false
    for (const { alert, offset, fresh, open } of taken) {
      const isFresh = fresh.length > 0
      if (isFresh) holdUntried(reading, offset)
      hold(reading, alert, offset, open, !isFresh && mayBeTried(reading, offset))
    }
    return true
  }

  /** A processor that dies before its progress tells an erased user's alerts again, behind his erasure. */
  async function withoutErased(sights: readonly Sight[]): Promise<Sight[]> {
    const userIds = sights.map(({ alert }) => alert.userId)
    const erasures = await persist(() => erasuresOfUsers(store, userIds), options)
    return sights.filter(({ alert }) => {
      const erased = erasures(alert.userId)
      return !erased || !isTaken(erased, alert)
    })
  }

  /** Ends what goes to the user of before, an attempt under way being the last, and then drops its rows. */
  async function forgetUser(reading: Reading, erasure: Erasure, lease: Lease): Promise<void> {
    const { userId } = erasure
    const ends = ({ message: { alert } }: Delivery) =>
      alert.userId === userId && isTaken(erasure, alert)
    await courier.end([...courier.all()].filter(ends), endings.erased)
    reading.held = reading.held.filter(delivery => !ends(delivery))
    if (!lease.lost) await persist(() => forgetIn(store, 'deliveries', userId, erasure), options)
  }

  function hold(
    reading: Reading,
    alert: AlertRecord,
    offset: number,
    rows: readonly DeliveryRow[],
    perhapsTried: boolean,
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
    reading.held.push(...rows.map(row => courier.hold(message, row, perhapsTried)))
  }

  /** To be stored before the first delivery is let go: who comes behind us cannot know what we had tried. */
  async function tellTrying(reading: Reading): Promise<void> {
    reading.triedBelow = null
    await save(reading)
  }

  /** Once more after each refusal, but not for a partition that another has by then. */
  async function save(reading: Reading): Promise<void> {
    const { partition, lease } = reading
    const progress = progressOf(reading)
    await persist(async () => {
      if (!lease?.lost) await writeProgress(store, topic, partition, progress, clock())
    }, options)
  }

  /** Ends what is void by now and lets the rest go. */
  async function releaseHeld(reading: Reading): Promise<void> {
    const { held } = reading
    reading.held = []
    if (reading.orphans) await endOrphans(reading)
    const voided = await persist(() => voidDeliveries(store, courier, held), options)
    await courier.end(voided, endings.returned)
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
    await write(orphans.map(row => endedRow(row, endings.bodyGone)))
    reading.orphans = false
  }

  async function close(partition: number, lost: boolean): Promise<void> {
    const reading = readings.get(partition)
    readings.delete(partition)
    faults.end(partition)
    // From here on no attempt begins. What the next owner does not find stored it makes again.
    if (!lost) await courier.settle(partition)
    if (reading && !lost && isCaughtUp(reading))
      reading.triedBelow = untoldBelow(courier, partition)
    courier.forget(partition)
    if (reading && !lost) await save(reading)
  }

  function failed(partition: number, error: Error): void {
    const what = `Alerts of partition ${partition} are read no further: ${error.message}`
    const next = nextWhereItStands(error)
    faults.tell(partition, what, next)
    logger.error({ err: error, partition, next }, 'Webhooks read no further alerts of a partition.')
  }

  function ended(message: Message): void {
    const messages = readings.get(message.partition)?.messages
    if (messages?.get(message.offset) === message) messages.delete(message.offset)
  }

  const isLost = (partition: number) => readings.get(partition)?.lease?.lost !== false

  const positions = () =>
    new Map([...readings].map(([partition, { position }]) => [partition, position]))

  return {
    owner: { open, records, close, failed },
    counts,
    positions,
    faults: faults.all,
    isLost,
    ended,
  }
}

/** As `triedBelow`, when no attempt begins any more. */
function untoldBelow(courier: Courier, partition: number): number {
  let below = 0
  for (const delivery of courier.all()) {
    const { message } = delivery
    if (message.partition === partition && !rowTellsAll(delivery))
      below = Math.max(below, message.offset + 1)
  }
  return below
}

/** A batch in pieces, each but the last one ending with an erasure. */
function* untilErasures(batch: readonly LogRecord[]) {
  let from = 0
  for (const [at, { value }] of batch.entries()) {
    const erased = decodeErasure(value)
    if (erased === undefined && at < batch.length - 1) continue
    yield { records: batch.slice(from, at + 1), erased }
    from = at + 1
  }
}
