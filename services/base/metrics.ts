/**
 * What one process counts of itself, in Prometheus' text format. Each room names its own figures in its meter.ts;
 * here is what they share. Figures are written once for each request, batch or flush, never for each click, and
 * no label holds a user's id: a label's values must be few.
 */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Fault } from './faults.ts'
import { after } from './time.ts'

export interface Metrics {
  readonly registry: Registry
  /** `refresh` is called before each answer: for figures that are made when somebody asks. It never rejects. */
  onRead(refresh: () => Promise<void>): void
  /** All figures as they are now. */
  text(): Promise<string>
}

/** A registry of its own, so that two services in one process do not mix, with the usual figures of the process. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const refreshes: (() => Promise<void>)[] = []
  return {
    registry,
    onRead: refresh => refreshes.push(refresh),
    async text() {
      await Promise.all(refreshes.map(refresh => refresh()))
      return registry.metrics()
    },
  }
}

/** From a fast flush on a local disk to one that waits for a replica far away. */
export const durationBucketsSeconds = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]

/**
 * Resolves to undefined where the answer fails or takes longer: a scrape must tell what it can, above all
 * while something else is down.
 */
export function withinScrape<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  return new Promise(resolve => {
    const cancel = after(scrapeWaitMsMax, () => resolve(undefined))
    answer.then(resolve, () => resolve(undefined)).finally(cancel)
  })
}

const scrapeWaitMsMax = 2_000

/** How many sentences /readyz says now: one alarm for all that a service knows to be wrong. */
export function watchHealth(
  { registry }: Metrics,
  faults: () => readonly Fault[],
  warnings: () => readonly Fault[],
): void {
  new Gauge({
    name: 'ebb_faults',
    help: 'Things that are wrong now; /readyz names them.',
    registers: [registry],
    collect() {
      this.set(faults().length + warnings().length)
    },
  })
}
