/** What the webhooks count: every change of a delivery, and how long endpoints take to answer. */
import { Counter, Histogram } from 'prom-client'
import { durationBucketsSeconds, type Metrics } from '../base/metrics.ts'
import type { DeliveryRow } from './deliveries.ts'

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
      // Later versions of a row say that no further attempt comes; the attempt was counted by its first.
      if (row.attempt > 0 && row.version === 1) durations.observe(row.duration_ms / 1000)
    }
  }
}
