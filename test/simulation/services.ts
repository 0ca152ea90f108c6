/**
 * The services of Ebb as processes of the simulation: wired as services/control/service.ts wires them, with ports of
 * their own. The collector runs without fastify and its socket: requests go straight to what its routes call.
 */
import type { Logger } from 'pino'
import { random, steadyClock, wallClock } from '../../services/base/time.ts'
import type { CollectorOptions } from '../../services/collector/app.ts'
import { wireCollector } from '../../services/collector/collector.ts'
import { openCutoffsSchedule } from '../../services/control/cutoffs.ts'
import { keepFirstSettings, startBroadcaster } from '../../services/control/project.ts'
import { readRevisions, readStanding } from '../../services/control/standing.ts'
import type { Log } from '../../services/log/log.ts'
import { startProcessor } from '../../services/processor/processor.ts'
import type { Store } from '../../services/store/store.ts'
import type { Wire } from '../../services/webhooks/deliver.ts'
import type { SecretKey } from '../../services/webhooks/secrets.ts'
import { startWebhooks, type WebhookSettings } from '../../services/webhooks/webhooks.ts'
import { alertsTopic, clicksTopic } from './plan.ts'

export interface Setting {
  readonly log: Log
  readonly store: Store
  readonly logger: Logger
  readonly partitions: number
  readonly key: SecretKey
  readonly wire: Wire
  readonly newId: () => string
  /** A partition stands still. */
  readonly failed: (partition: number, error: Error) => void
  /** A processor begins a partition here. */
  readonly opened: (partition: number, nextOffset: number) => void
}

export interface Running {
  /** Of a collector. */
  readonly door?: CollectorOptions
  stop(): Promise<void>
}

/** All ids, sessions and alerts are of this project; what `ebb pipe` calls it. */
export const project = 'default'
export const epoch = 0

export const webhookSettings: WebhookSettings = {
  scheduleMs: [0, 300, 1_000, 2_000, 4_000],
  totalTimeoutMs: 1_500,
  connectTimeoutMs: 500,
  totalMax: 6,
  endpointMax: 2,
  unstoredMax: 4,
  stopTimeoutMs: 2_000,
}

export const starters: Record<string, (setting: Setting) => Promise<Running>> = {
  collector: runCollector,
  processor: runProcessor,
  webhooks: runWebhooks,
}

async function runCollector({ log, store, logger, newId }: Setting): Promise<Running> {
  const { live } = await readStanding(store, clicksTopic)
  const options = { log, store, topic: clicksTopic, clock: wallClock, live, logger }
  const wired = await wireCollector(options)
  const stopTicking = wired.startTicking('simulation')
  return {
    door: { ...wired.door, newId },
    async stop() {
      stopTicking()
      await wired.stop()
    },
  }
}

async function runProcessor(setting: Setting): Promise<Running> {
  const { log, store, partitions, logger } = setting
  await keepFirstSettings(store, { guards: 'on' })
  const schedule = await openCutoffsSchedule(store, wallClock)
  const troubled = (error: Error) => logger.warn({ err: error }, 'a change waits to be broadcast')
  const broadcaster = startBroadcaster({
    log,
    store,
    topic: clicksTopic,
    partitions,
    revisions: () => readRevisions(store, clicksTopic, partitions),
    steadyClock,
    troubled,
  })
  await broadcaster.spread()
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
      setting.failed(partition, error)
    },
    opened: setting.opened,
    sweepIntervalMs: 2_000,
    // So that what is due at one record is more than a slice now and then.
    dueMax: 2,
    flushed(partition, state) {
      if (partition !== 0) return
      schedule
        .flushed(state.clockMs)
        .then(changed => (changed ? broadcaster.spread() : undefined))
        .catch(troubled)
    },
  })
  return {
    async stop() {
      await processor.stop()
      broadcaster.stop()
    },
  }
}

async function runWebhooks({ log, store, logger, key, wire }: Setting): Promise<Running> {
  const webhooks = await startWebhooks({
    log,
    store,
    topic: alertsTopic,
    key,
    clock: wallClock,
    wallClock,
    random,
    logger,
    settings: webhookSettings,
    wire,
  })
  return { stop: () => webhooks.stop() }
}
