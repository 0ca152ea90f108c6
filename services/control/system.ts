/**
 * One project in one process: log, tables, processor, webhooks, and what keeps its partitions agreed. The
 * doors (collector, page, SQL) are opened around it by up.ts; commands work on it with or without them.
 */
import { join } from 'node:path'
import type { Logger } from 'pino'
import { every, random, steadyClock, wallClock } from '../base/time.ts'
import { openEmbeddedLog } from '../log/embedded.ts'
import type { LocalLog } from '../log/local.ts'
import { type Processor, startProcessor } from '../processor/processor.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../store/embedded.ts'
import { migrate } from '../store/migrate.ts'
import { openSecretKey } from '../webhooks/endpoints.ts'
import type { SecretKey } from '../webhooks/secrets.ts'
import { startWebhooks, type Webhooks } from '../webhooks/webhooks.ts'
import { openCutoffsSchedule } from './cutoffs.ts'
import { type Broadcaster, keepFirstSettings, startBroadcaster } from './project.ts'

export const clicksTopic = 'clicks'
export const alertsTopic = 'alerts'
/** Grows when a project moves to a topic with more partitions. */
export const epoch = 0

const dayMs = 86_400_000
/** The log keeps clicks for a restart and a rebuild; the tables keep them for good. */
export const retentionMsDefault = 400 * dayMs
/** Of a new project that is to go live: both guards against missing clicks are on. */
export const liveSettings = { guards: 'on' } as const
const retentionIntervalMs = 60_000
const hurryIntervalMs = 50

export interface SystemOptions {
  readonly directory: string
  readonly project: string
  readonly partitions: number
  /** The project's clock: the wall's, or a replay's. It stamps what enters the log. */
  readonly clock: () => number
  /** Settings of a new project, as in a Settings record. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly logger: Logger
  /** How long the log keeps clicks. */
  readonly retentionMs: number
  /** False for a command that only looks or changes something: then no webhook is sent. */
  readonly delivers: boolean
}

export interface System {
  readonly directory: string
  readonly project: string
  readonly partitions: number
  readonly log: LocalLog
  readonly store: EmbeddedStore
  readonly processor: Processor
  /** Null where nothing is delivered. */
  readonly webhooks: Webhooks | null
  readonly key: SecretKey
  readonly broadcaster: Broadcaster
  readonly clock: () => number
  /** Whether imports are over: read off the partitions. */
  isLive(): boolean
  /** The latest clock of all partitions; null before the first record that moves one. */
  clockMs(): number | null
  /** Resolves when all that is on the log now is folded and in the tables. */
  caughtUp(): Promise<void>
  stop(): Promise<void>
}

export async function openSystem(options: SystemOptions): Promise<System> {
  const { directory, project, logger, clock } = options
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock })
  const store = await openEmbeddedStore({
    directory: join(directory, 'clickhouse'),
    database: 'ebb',
  })
  const ran = await migrate(store)
  if (ran.length > 0) logger.info({ migrations: ran }, 'the tables are up to date')
  const partitions = await log.ensure(clicksTopic, {
    partitions: options.partitions,
    retentionMs: options.retentionMs,
    retentionBytes: Number.POSITIVE_INFINITY,
  })
  await log.ensure(alertsTopic, {
    partitions,
    // Longer than any delivery is tried.
    retentionMs: 30 * dayMs,
    retentionBytes: Number.POSITIVE_INFINITY,
  })
  await keepFirstSettings(store, options.settings)
  const schedule = await openCutoffsSchedule(store, wallClock)
  const reach = createReach(partitions)
  let stopping = false
  const troubled = (error: Error) => {
    // What is cut short by the end is taken up again at the next start.
    if (!stopping) logger.warn({ err: error }, 'a change waits to be broadcast')
  }
  const processor = await startProcessor({
    log,
    store,
    topic: clicksTopic,
    partitions,
    alertsTopic,
    alertsPartitions: partitions,
    project,
    epoch,
    troubled: (partition, error, attempt) =>
      logger.warn({ partition, attempt, err: error }, 'a flush failed and is tried again'),
    failed(partition, error) {
      logger.error({ partition, err: error }, 'a partition stands still until Ebb is restarted')
      reach.failed(error)
    },
    opened: reach.moved,
    flushed(partition, state, nextOffset) {
      reach.moved(partition, nextOffset)
      if (partition !== 0) return
      schedule
        .flushed(state.clockMs)
        .then(changed => (changed ? broadcaster.spread() : undefined))
        .catch(troubled)
    },
  })
  await reach.upTo(new Array<number>(partitions).fill(0))
  const broadcaster = startBroadcaster({
    log,
    store,
    topic: clicksTopic,
    partitions,
    revisions: async () =>
      new Map([...processor.partitions].map(([number, { state }]) => [number, state.revisions])),
    steadyClock,
    troubled,
  })
  await broadcaster.spread()
  const key = await openSecretKey(store, directory)
  const webhooks = options.delivers
    ? await startWebhooks({ log, store, topic: alertsTopic, key, clock, wallClock, random, logger })
    : null
  const stopRetention = every(retentionIntervalMs, () => {
    log.retain().catch(error => logger.warn({ err: error }, 'old records stay for now'))
  })
  const states = () => [...processor.partitions.values()].map(partition => partition.state)
  return {
    directory,
    project,
    partitions,
    log,
    store,
    processor,
    webhooks,
    key,
    broadcaster,
    clock,
    isLive: () => states().some(state => state.imports === 'over'),
    clockMs() {
      const clockMs = Math.max(...states().map(state => state.clockMs))
      return Number.isFinite(clockMs) ? clockMs : null
    },
    async caughtUp() {
      const ends: number[] = []
      for (let partition = 0; partition < partitions; partition++)
        ends.push((await log.bounds(clicksTopic, partition)).endOffset)
      // Who waits should not wait for the next regular flush. One that fails is tried again and reported there.
      const stopHurrying = every(hurryIntervalMs, () => {
        for (const partition of processor.partitions.values()) partition.finish().catch(() => null)
      })
      await reach.upTo(ends).finally(stopHurrying)
    },
    async stop() {
      stopping = true
      stopRetention()
      broadcaster.stop()
      await processor.stop()
      await webhooks?.stop()
      await log.close()
      await store.close()
    },
  }
}

/** How far each partition is in the tables, for those who wait for it. */
function createReach(partitions: number) {
  const nextOffsets = new Array<number>(partitions).fill(-1)
  const waiting = new Set<() => void>()
  let failure: Error | undefined
  const wake = () => {
    for (const look of waiting) look()
  }
  return {
    moved(partition: number, nextOffset: number) {
      nextOffsets[partition] = nextOffset
      wake()
    },
    failed(error: Error) {
      failure = error
      wake()
    },
    /** Resolves once every partition is there; rejects when one of them stands still. */
    upTo(ends: readonly number[]): Promise<void> {
      return new Promise((resolve, reject) => {
        const look = () => {
          const there = ends.every((end, partition) => nextOffsets[partition]! >= end)
          if (!there && !failure) return
          waiting.delete(look)
          if (there) resolve()
          else reject(failure)
        }
        waiting.add(look)
        look()
      })
    },
  }
}
