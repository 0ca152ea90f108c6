/** One service of Ebb in a process of its own, on servers, until it is told to stop. */
import type { Logger } from 'pino'
import { auditMeter } from '../audit/meter.ts'
import { startAuditSchedule } from '../audit/schedule.ts'
import { type FaultBook, faultBook, nextWhereItStands } from '../base/faults.ts'
import { createLogger } from '../base/logger.ts'
import { createMetrics, type Metrics } from '../base/metrics.ts'
import { after, random, steadyClock, wallClock } from '../base/time.ts'
import { startCollector } from '../collector/collector.ts'
import { collectorMeter } from '../collector/meter.ts'
import { refuseOtherLog } from '../processor/log-fault.ts'
import { type ProcessorMeter, processorMeter } from '../processor/meter.ts'
import { whatNext } from '../processor/persist.ts'
import { type Processor, startProcessor } from '../processor/processor.ts'
import { whyEnded } from '../rebuild/ahead.ts'
import { followEpochs } from '../rebuild/follow.ts'
import type { Present } from '../rebuild/present.ts'
import { watchEpochs } from '../rebuild/watch.ts'
import { startWeb } from '../web/app.ts'
import { webMeter } from '../web/traffic.ts'
import { openSecretKey } from '../webhooks/endpoints.ts'
import { deliveryMeter, watchReading } from '../webhooks/meter.ts'
import { startWebhooks } from '../webhooks/webhooks.ts'
import { type CutoffsSchedule, openCutoffsSchedule } from './cutoffs.ts'
import { startBroadcaster } from './project.ts'
import type { ServerOptions, Servers } from './servers.ts'
import { openServiceDoor, type Running, reachServers } from './service-door.ts'
import { readRevisions, readStanding } from './standing.ts'
import { runStops, type Stops, untilStopped } from './stops.ts'

export const serviceNames = ['collector', 'processor', 'webhooks', 'web'] as const
export type ServiceName = (typeof serviceNames)[number]

export interface ServiceOptions extends ServerOptions {
  readonly service: ServiceName
  readonly host: string
  /** By which clients may call it, beside loopback's names. */
  readonly names: readonly string[]
  /** Of the service itself: the collector's door, the page. */
  readonly port: number
  /** Of /livez, /readyz and /metrics. */
  readonly healthPort: number
  /** Where the key lies that seals the secrets of endpoints. */
  readonly keyDirectory: string
}

/** So long after the signal what ClickHouse has not answered is cut off: the next start does it again. */
const storePatienceMs = 5_000

/** What a service is given. */
interface Setting {
  readonly servers: Servers
  readonly options: ServiceOptions
  readonly logger: Logger
  readonly metrics: Metrics
  readonly stops: Stops
}

export async function runService(
  options: ServiceOptions,
  print: (line: string) => void,
): Promise<void> {
  const logger = createLogger()
  const stops: Stops = []
  const stopped = untilStopped(stops, logger, print)
  try {
    // A stop does not wait for servers that do not answer: nothing is begun that would have to end in order.
    await Promise.race([start(options, logger, stops, print), stopped])
  } catch (error) {
    await runStops(stops)
    throw error
  }
  await stopped
}

async function start(
  options: ServiceOptions,
  logger: Logger,
  stops: Stops,
  print: (line: string) => void,
): Promise<void> {
  const { service, host, healthPort: port } = options
  const stopping = new AbortController()
  const metrics = createMetrics()
  const door = await openServiceDoor({ host, port }, metrics)
  stops.push(() => door.stop())
  stops.push(() => stopping.abort())
  print(`ebb ${service} looks for its servers.`)
  print(`  health   ${door.url}/readyz, ${door.url}/metrics`)
  const servers = await reachServers(
    options,
    logger,
    door.waits,
    stopping.signal,
    async ({ log, store, clicks }) => {
      if (service !== 'collector') return
      await refuseOtherLog({ log, store, topic: clicks.topic })
      // What is taken there would not be folded.
      const ended = await whyEnded({ log, store }, clicks)
      if (ended) throw ended
    },
  )
  if (!servers) return
  stops.push(() => servers.close())
  const running = await starters[service]({ servers, options, logger, metrics, stops })
  door.opened(servers, running)
  // Before all others: a ClickHouse that says nothing must not hold up the end.
  stops.push(() => {
    after(storePatienceMs, () => void servers.store.close())
  })
  print(`ebb ${service} runs. ${running.says}`)
  print(`  topic    ${servers.clicks.topic}, ${servers.clicks.partitions} partitions`)
}

const starters = {
  collector: runCollector,
  processor: runProcessor,
  webhooks: runWebhooks,
  web: runWeb,
} satisfies Record<ServiceName, (setting: Setting) => Promise<Running>>

async function runCollector({
  servers,
  options,
  metrics,
  logger,
  stops,
}: Setting): Promise<Running> {
  const { log, store, clicks } = servers
  const collector = await startCollector({
    log,
    store,
    topic: clicks.topic,
    host: options.host,
    port: options.port,
    clock: wallClock,
    live: (await readStanding(store, clicks.topic)).live,
    logger,
    names: options.names,
    meter: collectorMeter(metrics),
  })
  stops.push(() => collector.stop())
  const stopWatching = watchEpochs(store, clicks, ({ topic, partitions }) => {
    logger.info({ topic, partitions }, 'the project has grown: clicks go to its new topic')
    collector.moveTo(topic, partitions)
  })
  stops.push(async () => stopWatching())
  const says = `Clicks go to ${collector.url}/v1/track.`
  return { says, faults: collector.faults, needsStore: false }
}

async function runProcessor(setting: Setting): Promise<Running> {
  const { servers, metrics, logger, stops } = setting
  const { log, store, project } = servers
  const faults = faultBook<number>()
  /** Of partitions that are carried over no further, and of an epoch that has none behind it. */
  const stuck = faultBook<string>()
  const schedule = await openCutoffsSchedule(store, wallClock)
  const meter = processorMeter(metrics)
  let processor: Processor | undefined
  const following = await followEpochs({
    ...{ log, store, newest: servers.clicks },
    async fold(clicks) {
      const folding = await foldEpoch(setting, clicks, { faults, schedule, meter })
      processor = folding.processor
      return folding
    },
    carried: clicks => logger.info({ clicks }, 'clicks were carried over to the new topic'),
    troubled: error => logger.warn({ err: error }, 'the next epoch waits; it is tried again'),
    failed(topic, partition, error) {
      const sentence = `What comes to ${topic} partition ${partition} is carried over no further`
      const next = nextWhereItStands(error)
      stuck.tell(`${topic} ${partition}`, `${sentence}: ${error.message}`, next)
      logger.error({ topic, partition, err: error, next }, sentence)
    },
    well: (topic, partition) => stuck.end(`${topic} ${partition}`),
    ended(why) {
      if (!why) return stuck.end('sealed')
      if (!stuck.has('sealed')) logger.error({ err: why }, 'nothing more is folded')
      stuck.tell('sealed', why.message, 'Ebb goes on by itself when the tables know where.')
    },
  })
  stops.push(() => following.stop())
  const audits = startAuditSchedule({
    source: () => ({ log, store, project, ...following.present() }),
    wallClock,
    isOurs: () => processor?.partitions.has(0) ?? false,
    logger,
  })
  stops.push(() => audits.stop())
  auditMeter(metrics, store, wallClock)
  return {
    says: 'It shares the partitions with the others of its group.',
    faults: () => [...faults.all(), ...stuck.all()],
    needsStore: true,
  }
}

/** What outlives an epoch. */
interface Lasting {
  readonly faults: FaultBook<number>
  readonly schedule: CutoffsSchedule
  readonly meter: ProcessorMeter
}

/** The processor of one epoch, and what keeps its partitions agreed. */
async function foldEpoch(
  { servers, logger }: Setting,
  clicks: Present,
  { faults, schedule, meter }: Lasting,
) {
  const { log, store, alertsTopic, alertsPartitions, project } = servers
  const { topic, partitions } = clicks
  const troubled = (error: Error) => logger.warn({ err: error }, 'a change waits to be broadcast')
  const broadcaster = startBroadcaster({
    log,
    store,
    topic,
    partitions,
    revisions: () => readRevisions(store, topic, partitions),
    steadyClock,
    troubled,
  })
  await broadcaster.spread()
  const processor = await startProcessor({
    ...{ log, store, ...clicks, alertsTopic, alertsPartitions, project, meter },
    troubled(partition, error, attempt) {
      faults.tell(partition, `Partition ${partition} waits: ${error.message}`, whatNext(error))
      logger.warn({ partition, attempt, err: error }, 'a partition waits; it is tried again')
    },
    failed(partition, error) {
      const next = nextWhereItStands(error)
      faults.tell(partition, `Partition ${partition} stands still: ${error.message}`, next)
      logger.error({ partition, err: error, next }, 'a partition stands still')
    },
    restoring: (partition, share) =>
      logger.info(`partition ${partition}: ${Math.floor(share * 100)} % of its state is read back`),
    opened: faults.end,
    closed: faults.end,
    flushed(partition, state) {
      faults.end(partition)
      if (partition !== 0) return
      schedule
        .flushed(state.clockMs)
        .then(changed => (changed ? broadcaster.spread() : undefined))
        .catch(troubled)
    },
  })
  return {
    processor,
    isSealed: () => [...processor.partitions.values()].some(({ state }) => state.sealed),
    async stop() {
      broadcaster.stop()
      await processor.stop()
    },
  }
}

async function runWebhooks({
  servers,
  options,
  metrics,
  logger,
  stops,
}: Setting): Promise<Running> {
  const { log, store, alertsTopic: topic } = servers
  const key = await openSecretKey(store, options.keyDirectory)
  const clock = wallClock
  const meter = deliveryMeter(metrics)
  const webhooks = await startWebhooks({
    log,
    store,
    topic,
    key,
    clock,
    wallClock,
    random,
    logger,
    meter,
  })
  watchReading(metrics, webhooks, partition => log.bounds(topic, partition))
  stops.push(() => webhooks.stop())
  return {
    says: 'Alerts go to the endpoints.',
    faults: webhooks.faults,
    needsStore: true,
  }
}

async function runWeb({ servers, options, metrics, logger, stops }: Setting): Promise<Running> {
  const { store, project } = servers
  const { host, port, names } = options
  const web = await startWeb({
    store,
    project,
    replay: false,
    wallClock,
    logger,
    host,
    port,
    names,
    meter: webMeter(metrics),
  })
  stops.push(() => web.stop())
  return { says: `The page is ${web.url}.`, faults: () => [], needsStore: true }
}
