/** What the webhooks count: every change of a delivery, and how long endpoints take to answer. */
import { Counter, Gauge, Histogram } from 'prom-client'
import { durationBucketsSeconds, type Metrics, withinScrape } from '../base/metrics.ts'
import type { Bounds } from '../log/log.ts'
import type { DeliveryRow } from './deliveries.ts'
import { isOfAttempt } from './verdict.ts'

/** Is told of rows when they are stored. */
export type DeliveryMeter = (rows: readonly DeliveryRow[]) => void

export function deliveryMeter({ registry }: Metrics): DeliveryMeter {
  const registers = [registry]
  const changes = new Counter({
    name: 'ebb_deliveries_total',
    help: 'Deliveries that came to be (pending), attempts that failed, and ends by their kind.',
    labelNames: ['status'],
    registers,
  })
  const durations = new Histogram({
    name: 'ebb_delivery_duration_seconds',
    help: 'How long an endpoint took to answer, or to fail.',
    buckets: durationBucketsSeconds,
    registers,
  })
  // So that a rate is there before the first one is dead.
  for (const status of ['pending', 'delivered', 'failed', 'dead', 'stale', 'cancelled'])
    changes.inc({ status }, 0)
  return rows => {
    for (const row of rows) {
      changes.inc({ status: row.status })
      if (isOfAttempt(row)) durations.observe(row.duration_ms / 1000)
    }
  }
}

/** What waits: alerts that are not read yet, by partition that is read here, and deliveries that go on. */
export function watchReading(
  { registry, onRead }: Metrics,
  webhooks: { readPositions(): ReadonlyMap<number, number>; openDeliveries(): number },
  bounds: (partition: number) => Promise<Bounds>,
): void {
  const registers = [registry]
  const lag = new Gauge({
    name: 'ebb_webhooks_lag_records',
    help: 'Records of the alerts topic that have no deliveries yet.',
    labelNames: ['partition'],
    registers,
  })
  const open = new Gauge({
    name: 'ebb_deliveries_open',
    help: 'Deliveries that have not ended: under way, or waiting for their next attempt.',
    registers,
  })
  onRead(async () => {
    const asked = [...webhooks.readPositions().keys()]
    const ends = await Promise.all(asked.map(partition => withinScrape(bounds(partition))))
    open.set(webhooks.openDeliveries())
    lag.reset()
    const positions = webhooks.readPositions()
    for (const [at, partition] of asked.entries()) {
      const position = positions.get(partition)
      const end = ends[at]?.endOffset
      if (position !== undefined && end !== undefined)
        lag.set({ partition }, Math.max(0, end - position))
    }
  })
}
