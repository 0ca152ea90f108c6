/** What the collector counts: clicks taken and refused, and the answers that clients got. */
import { Counter } from 'prom-client'
import type { Metrics } from '../base/metrics.ts'

export interface CollectorMeter {
  /** Of one request, when they are durable. */
  accepted(clicks: number): void
  /** One event, or one request that could not be read as events. */
  rejected(reason: string): void
  answered(status: number): void
}

export const idleMeter: CollectorMeter = { accepted() {}, rejected() {}, answered() {} }

export function collectorMeter({ registry }: Metrics): CollectorMeter {
  const registers = [registry]
  const accepted = new Counter({
    name: 'ebb_clicks_accepted_total',
    help: 'Events that were answered as durable.',
    registers,
  })
  const rejected = new Counter({
    name: 'ebb_clicks_rejected_total',
    help: 'Events, or whole requests, that were refused and kept in rejects.',
    labelNames: ['reason'],
    registers,
  })
  const answers = new Counter({
    name: 'ebb_collector_answers_total',
    help: 'Requests by the status of their answer; 503 is sent again by the client.',
    labelNames: ['status'],
    registers,
  })
  const ok = answers.labels('200')
  const busy = answers.labels('503')
  return {
    accepted: clicks => accepted.inc(clicks),
    rejected: reason => rejected.inc({ reason }),
    answered(status) {
      if (status === 200) ok.inc()
      else if (status === 503) busy.inc()
      else answers.inc({ status })
    },
  }
}
