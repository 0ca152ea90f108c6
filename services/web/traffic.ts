/** What the page counts: answers by status, and who watches. */
import { Counter, Gauge } from 'prom-client'
import type { Metrics } from '../base/metrics.ts'

export interface WebMeter {
  answered(status: number): void
  viewers(count: number): void
}

export function webMeter({ registry }: Metrics): WebMeter {
  const registers = [registry]
  const answers = new Counter({
    name: 'ebb_web_answers_total',
    help: 'Requests to the page by the status of their answer.',
    labelNames: ['status'],
    registers,
  })
  const viewers = new Gauge({
    name: 'ebb_web_viewers',
    help: 'Browsers that watch the live figures.',
    registers,
  })
  return {
    answered: status => answers.inc({ status }),
    viewers: count => viewers.set(count),
  }
}
