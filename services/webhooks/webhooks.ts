/**
 * Alerts out: every sent alert reaches each enabled endpoint at least once, or its delivery is visibly dead.
 *
 *   alerts (log) -> outbox.ts -> deliveries (rows) -> courier.ts -> lanes.ts -> deliver.ts -> endpoint
 */

import type { Fault } from '../base/faults.ts'
import { after } from '../base/time.ts'
import { decodeAlert } from '../log/codec.ts'
import type { Log } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { openEndpointBook } from './book.ts'
import { createCourier, type Message } from './courier.ts'
import { createSender, type Wire } from './deliver.ts'
import { createRowWriter, type DeliveryRow, type Logger, persist } from './deliveries.ts'
import type { DeliveryMeter } from './meter.ts'
import { createOutbox } from './outbox.ts'
import { specScheduleMs } from './schedule.ts'
import type { SecretKey } from './secrets.ts'
import type { Counts } from './sights.ts'
import { endings } from './verdict.ts'

const group = 'webhooks'

export interface WebhookSettings {
  /** The wait before attempt 1, 2, ...; after the last one a delivery is dead. */
  readonly scheduleMs: readonly number[]
  readonly totalTimeoutMs: number
  readonly connectTimeoutMs: number
  /** Attempts at a time, over all endpoints and for one of them. */
  readonly totalMax: number
  readonly endpointMax: number
  /** Answers that may wait to be stored while their places take the next requests: a crash repeats these. */
  readonly unstoredMax: number
  /** So long `stop` waits for attempts under way; one that is cut off is made again at the next start. */
  readonly stopTimeoutMs: number
}

export const defaultSettings: WebhookSettings = {
  scheduleMs: specScheduleMs,
  totalTimeoutMs: 15_000,
  connectTimeoutMs: 5_000,
  totalMax: 32,
  endpointMax: 4,
  unstoredMax: 64,
  stopTimeoutMs: 5_000,
}

export interface Webhooks {
  readonly counts: Readonly<Counts>
  /** Where each partition of the alerts topic is read next: all before has its deliveries. */
  readPositions(): ReadonlyMap<number, number>
  /** Of partitions of the alerts topic that are read no further, and of deliveries that stand. */
  faults(): Fault[]
  /** Deliveries that have not ended. */
  openDeliveries(): number
  /** The table of endpoints has changed: nothing goes to what it was before from here on. */
  changed(): void
  stop(): Promise<void>
}

export async function startWebhooks(options: {
  readonly log: Log
  readonly store: Store
  /** Of alerts; it exists, and keeps them for longer than the schedule lasts. */
  readonly topic: string
  readonly key: SecretKey
  /** The project's clock: the wall's in a live project, the replay's own in a replay. Whole ms. */
  readonly clock: () => number
  /** For signatures. */
  readonly wallClock: () => number
  /** In [0, 1). */
  readonly random: () => number
  readonly logger: Logger
  readonly settings?: Partial<WebhookSettings>
  readonly meter?: DeliveryMeter
  /** HTTP's, unless the simulator brings its own. */
  readonly wire?: Wire
}): Promise<Webhooks> {
  const { log, store, topic } = options
  const settings = { ...defaultSettings, ...options.settings }
  const stopping = new AbortController()
  const shared = { ...options, ...settings, stopped: stopping.signal }
  const writeRows = createRowWriter(store, shared)
  const write = async (rows: readonly DeliveryRow[]) => {
    await writeRows(rows)
    options.meter?.(rows)
  }
  const sender = createSender(settings, options.wire)
  const book = await openEndpointBook({
    ...shared,
    onChange: endpoints => {
      const gone = [...courier.all()].filter(({ row }) => !endpoints.has(row.endpoint_id))
      const off = [...courier.all()].filter(({ row }) => endpoints.get(row.endpoint_id)?.disabled)
      return Promise.all([
        courier.end(gone, endings.endpointRemoved),
        courier.end(off, endings.endpointDisabled),
      ])
    },
  })
  const courier = createCourier({
    ...shared,
    laneMax: settings.endpointMax,
    sender,
    book,
    write,
    // A log that does not answer now holds the delivery up, and does not end it.
    readBody: message => persist(() => readBody(log, topic, message), shared),
    isLost: partition => outbox.isLost(partition),
    onEnd: message => outbox.ended(message),
  })
  const outbox = createOutbox({ ...shared, book, courier, write })
  const ownership = await log.own(topic, group, outbox.owner)

  async function stop(): Promise<void> {
    const cut = () => {
      stopping.abort()
      void sender.destroy()
    }
    const cancelCut = after(settings.stopTimeoutMs, cut)
    await courier.stop()
    cancelCut()
    cut()
    await ownership.stop()
  }

  return {
    counts: outbox.counts,
    readPositions: outbox.positions,
    faults: () => [...outbox.faults(), ...courier.faults()],
    openDeliveries: courier.size,
    changed: book.changed,
    stop,
  }
}

/** Undefined when the log keeps it no longer. */
async function readBody(log: Log, topic: string, message: Message): Promise<string | undefined> {
  const { partition, offset } = message
  const { startOffset } = await log.bounds(topic, partition)
  if (offset < startOffset) return undefined
  const [record] = await log.read(topic, partition, offset, 1)
  const alert = record && decodeAlert(record.value)
  return alert && !('kind' in alert) ? alert.body : undefined
}
