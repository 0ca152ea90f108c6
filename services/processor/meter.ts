/**
 * What a processor counts. Counters move at flushes, by what is in the tables then; the gauges of a partition are
 * made when somebody asks, and only for partitions that are owned, so that their sum over processors is the whole.
 */
import { Counter, Gauge, Histogram } from 'prom-client'
import { durationBucketsSeconds, type Metrics, withinScrape } from '../base/metrics.ts'
import type { Bounds } from '../log/log.ts'
import type { Batch } from './batch.ts'

/** One flush that succeeded. */
export interface Flushed {
  readonly records: number
  readonly durationMs: number
  readonly batch: Batch
  readonly users: number
}

/** Where a partition's state came from: kept since this process had it before, or read back. */
export type RestoredFrom = 'memory' | 'tables'

export interface ProcessorMeter {
  opened(partition: number, nextOffset: number, from: RestoredFrom): void
  flushed(partition: number, nextOffset: number, clockMs: number, done: Flushed): void
  flushFailed(): void
  /** From here on the gauges tell of these partitions. */
  watch(source: Watched): void
}

export interface Watched {
  /** Of the epoch that is folded, whoever owns them. */
  readonly partitions: number
  owned(): Iterable<number>
  users(partition: number): number
  bounds(partition: number): Promise<Bounds>
  readonly wallClock: () => number
}

interface Reached {
  readonly nextOffset: number
  /** Unknown until the first flush of this run. */
  readonly clockMs: number
}

export function processorMeter(metrics: Metrics): ProcessorMeter {
  const registers = [metrics.registry]
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers })
  const records = counter('ebb_records_folded_total', 'Records whose effects are in the tables.')
  const rows = counter('ebb_flush_rows_total', 'Rows written, by table.', ['table'])
  const rejects = counter('ebb_rejects_total', 'Records that are no new click, by what they are.', [
    'kind',
    'reason',
  ])
  const alerts = counter('ebb_alerts_total', 'Transitions of alerts.', ['status'])
  const failures = counter('ebb_flush_failures_total', 'Flushes that failed and are tried again.')
  const restores = counter('ebb_partition_restores_total', 'Partitions taken over, by source.', [
    'from',
  ])
  const durations = new Histogram({
    name: 'ebb_flush_duration_seconds',
    help: 'One flush: alerts to their log, rows, progress; its repetitions included.',
    buckets: durationBucketsSeconds,
    registers,
  })
  const reached = new Map<number, Reached>()
  let watched: Watched | undefined
  const tables = {
    clicks: rows.labels('clicks'),
    rejects: rows.labels('rejects'),
    sessions: rows.labels('sessions'),
    users: rows.labels('users'),
  }

  return {
    opened(partition, nextOffset, from) {
      reached.set(partition, { nextOffset, clockMs: Number.NaN })
      restores.inc({ from })
    },
    flushed(partition, nextOffset, clockMs, { records: folded, durationMs, batch, users }) {
      reached.set(partition, { nextOffset, clockMs })
      records.inc(folded)
      durations.observe(durationMs / 1000)
      tables.clicks.inc(batch.clicks.length)
      tables.rejects.inc(batch.rejects.length)
      tables.sessions.inc(batch.sessions.length)
      tables.users.inc(users)
      for (const [kind, byReason] of countedBy(batch.rejects))
        for (const [reason, count] of byReason) rejects.inc({ kind, reason }, count)
      for (const { record } of batch.alerts) alerts.inc({ status: record.status })
    },
    flushFailed: () => failures.inc(),
    watch(source) {
      // The gauges tell of the epoch that is folded last.
      if (!watched) watchPartitions(metrics, () => watched!, reached)
      watched = source
    },
  }
}

/** How many of each kind and reason: they are few, the rows may be many. */
function countedBy(rows: Batch['rejects']): Map<string, Map<string, number>> {
  const kinds = new Map<string, Map<string, number>>()
  for (const { kind, reason } of rows) {
    const reasons = kinds.get(String(kind)) ?? new Map<string, number>()
    kinds.set(String(kind), reasons)
    reasons.set(String(reason), (reasons.get(String(reason)) ?? 0) + 1)
  }
  return kinds
}

function watchPartitions(
  { registry, onRead }: Metrics,
  sourceNow: () => Watched,
  reached: ReadonlyMap<number, Reached>,
): void {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['partition'], registers: [registry] })
  const next = gauge('ebb_partition_next_offset', 'The first record that the tables do not hold.')
  const end = gauge('ebb_partition_end_offset', 'Where the next record of the topic will stand.')
  const lag = gauge('ebb_consumer_lag_records', 'Records that are not in the tables yet.')
  const users = gauge('ebb_partition_users', 'Users held in memory.')
  const freshness = gauge(
    'ebb_freshness_seconds',
    'How far the tables are behind the wall clock, by the clock of the partition at its last flush.',
  )
  const owned = new Gauge({
    name: 'ebb_partitions_owned',
    help: 'Partitions that this process folds.',
    registers: [registry],
  })
  const all = new Gauge({
    name: 'ebb_partitions',
    help: 'Partitions of the epoch that is folded, whoever folds them.',
    registers: [registry],
  })
  onRead(async () => {
    const source = sourceNow()
    all.set(source.partitions)
    const asked = [...source.owned()]
    const bounds = await Promise.all(asked.map(number => withinScrape(source.bounds(number))))
    const ends = new Map(asked.map((number, at) => [number, bounds[at]?.endOffset]))
    // From here on nothing waits: all figures are of one moment, and a partition may have gone meanwhile.
    for (const one of [next, end, lag, users, freshness]) one.reset()
    const partitions = [...source.owned()]
    owned.set(partitions.length)
    for (const partition of partitions) {
      const labels = { partition }
      const { nextOffset, clockMs } = reached.get(partition)!
      next.set(labels, nextOffset)
      users.set(labels, source.users(partition))
      if (Number.isFinite(clockMs)) freshness.set(labels, (source.wallClock() - clockMs) / 1000)
      const endOffset = ends.get(partition)
      if (endOffset === undefined) continue
      end.set(labels, endOffset)
      // A flush may have passed the answer of the log.
      lag.set(labels, Math.max(0, endOffset - nextOffset))
    }
  })
}
