/** The last audit in Prometheus' format, read from its table when somebody asks. */
import { Gauge } from 'prom-client'
import { type Metrics, withinScrape } from '../base/metrics.ts'
import type { Store } from '../store/store.ts'
import { readLastAudit } from './keep.ts'

export function auditMeter(
  { registry, onRead }: Metrics,
  store: Store,
  wallClock: () => number,
): void {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] })
  const differences = gauge(
    'ebb_audit_differences',
    'Differences between tables and clicks that the last audit found; should be 0.',
    ['kind'],
  )
  const checked = gauge('ebb_audit_checked', 'Rows and records that the last audit compared.', [
    'kind',
  ])
  const age = gauge('ebb_audit_age_seconds', 'Since the last audit began; absent before the first.')
  onRead(async () => {
    const audit = await withinScrape(readLastAudit(store))
    for (const one of [differences, checked, age]) one.reset()
    if (!audit) return age.remove()
    age.set((wallClock() - audit.startedMs) / 1000)
    for (const finding of audit.findings) {
      const { kind } = finding
      differences.set({ kind }, finding.differences)
      checked.set({ kind }, finding.checked)
    }
  })
}
