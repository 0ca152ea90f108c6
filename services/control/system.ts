/**
 * One project in one process: log, tables, processor, webhooks, and what keeps its partitions agreed. The
 * doors (collector, page, SQL) are opened around it by up.ts; commands work on it with or without them.
 */
import { join } from 'node:path'
import type { Logger } from 'pino'
import { EbbError } from '../base/errors.ts'
import { type Fault, type FaultBook, faultBook, nextWhereItStands } from '../base/faults.ts'
import type { Metrics } from '../base/metrics.ts'
import { every, random, steadyClock, wallClock } from '../base/time.ts'
import { openEmbeddedLog } from '../log/embedded.ts'
import type { LocalLog } from '../log/local.ts'
import { processorMeter } from '../processor/meter.ts'
import { whatNext } from '../processor/persist.ts'
import { type Processor, startProcessor } from '../processor/processor.ts'
import { acceptLoss } from '../processor/restore.ts'
import { whyEnded } from '../rebuild/ahead.ts'
import { drainEpoch, untilDrained } from '../rebuild/drain.ts'
import { beginEpoch } from '../rebuild/epochs.ts'
import { openPresent, openTopic, type Present, readChain } from '../rebuild/present.ts'
import { continueRebuild, originOf, type Site } from '../rebuild/rebuild.ts'
import { shadowNameOf, tablesOf } from '../rebuild/shadow.ts'
import { isRevocable, readOpenRebuild } from '../rebuild/steps.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../store/embedded.ts'
import { migrate } from '../store/migrate.ts'
import { openSecretKey } from '../webhooks/endpoints.ts'
import { deliveryMeter, watchReading } from '../webhooks/meter.ts'
import type { SecretKey } from '../webhooks/secrets.ts'
import { startWebhooks, type Webhooks } from '../webhooks/webhooks.ts'
import type { Project } from './calls.ts'
import { type CutoffsSchedule, openCutoffsSchedule } from './cutoffs.ts'
import { type Broadcaster, keepFirstSettings, startBroadcaster } from './project.ts'
import { createReach, type Reach } from './reach.ts'
import type { RebuildPlace } from './rebuild.ts'
import { runStops, type Stops } from './stops.ts'

/** Of epoch 0: a project that grew goes on in another. */
export const firstClicksTopic = 'clicks'
export const alertsTopic = 'alerts'

const dayMs = 86_400_000
/** The log keeps clicks for a restart and a rebuild; the tables keep them for good. */
export const retentionMsDefault = 400 * dayMs
/** Longer than any delivery is tried. */
export const alertsRetentionMs = 30 * dayMs
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
  /** As in connect.ts. */
  readonly acceptsLoss?: boolean | undefined
  /** Counts what processor and webhooks do; nobody asks where it is left out. */
  readonly metrics?: Metrics
  /** Told what a command that takes long is doing. */
  readonly tell?: (sentence: string) => void
}

export interface System extends Project {
  readonly log: LocalLog
  readonly store: EmbeddedStore
  readonly processor: Processor
  /** Null where nothing is delivered. */
  readonly webhooks: Webhooks | null
  readonly key: SecretKey
  readonly broadcaster: Broadcaster
  /** Whether imports are over: read off the partitions. */
  isLive(): boolean
  /** The latest clock of all partitions; null before the first record that moves one. */
  clockMs(): number | null
  /** What is wrong with partitions now. */
  faults(): Fault[]
  stop(): Promise<void>
}

/** Log and tables of the directory, made where they are missing. */
interface Ground {
  readonly options: SystemOptions
  readonly log: LocalLog
  readonly store: EmbeddedStore
  readonly clicks: Present
  readonly alertsPartitions: number
  readonly reach: Reach
  /** Of partitions, by their number. */
  readonly faults: FaultBook<number>
  /** A change could not be broadcast for now. */
  readonly troubled: (error: Error) => void
}

export async function openSystem(options: SystemOptions): Promise<System> {
  const stops: Stops = []
  try {
    return await open(options, stops)
  } catch (error) {
    await runStops(stops)
    throw error
  }
}

async function open(options: SystemOptions, stops: Stops): Promise<System> {
  const { directory, project, clock } = options
  let stopping = false
  const ground = await openGround(options, stops, error => {
    // What is cut short by the end is taken up again at the next start.
    if (!stopping) options.logger.warn({ err: error }, 'a change waits to be broadcast')
  })
  const { log, store, clicks } = ground
  const { epoch, topic: clicksTopic, partitions } = clicks
  const key = await openSecretKey(store, directory)
  const webhooks = options.delivers ? await openWebhooks(ground, key) : null
  stops.push(async () => webhooks?.stop())
  const { processor, broadcaster } = await openProcessor(ground, stops)
  const states = () => [...processor.partitions.values()].map(partition => partition.state)
  return {
    ...{ directory, project, partitions, epoch, log, store, clicksTopic, alertsTopic, clock },
    delivers: options.delivers,
    replay: clock !== wallClock,
    ...{ processor, webhooks, key, broadcaster },
    isLive: () => states().some(state => state.imports === 'over'),
    clockMs() {
      const clockMs = Math.max(...states().map(state => state.clockMs))
      return Number.isFinite(clockMs) ? clockMs : null
    },
    faults: () => [...ground.faults.all(), ...(webhooks?.faults() ?? [])],
    openKey: async () => key,
    caughtUp: () => catchUp(ground, processor),
    rulesChanged: () => broadcaster.spread(),
    async grow(wanted) {
      if (options.delivers)
        throw new EbbError('badInput', 'A project in one process grows while it is stopped.')
      if (project === 'demo') throw new EbbError('badInput', 'The demo shop does not grow.')
      // The next opening drains what there is, and goes on in the new topic.
      await beginEpoch(store, clicks, firstClicksTopic, wanted, wallClock())
    },
    async openRebuildPlace() {
      if (options.delivers)
        throw new EbbError('badInput', 'A project in one process is rebuilt while it is stopped.')
      if (project === 'demo') throw new EbbError('badInput', 'The demo shop is not rebuilt.')
      return openRebuildPlace(ground)
    },
    async endpointsChanged() {
      webhooks?.changed()
    },
    stop() {
      stopping = true
      return runStops(stops)
    },
  }
}

async function openGround(
  options: SystemOptions,
  stops: Stops,
  troubled: Ground['troubled'],
): Promise<Ground> {
  const { directory, logger, clock } = options
  const store = await openEmbeddedStore({
    directory: join(directory, 'clickhouse'),
    database: 'ebb',
  })
  stops.push(() => store.close())
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock })
  stops.push(() => log.close())
  const ran = await migrate(store)
  if (ran.length > 0) logger.info({ migrations: ran }, 'the tables are up to date')
  const retention = {
    retentionMs: options.retentionMs,
    retentionBytes: Number.POSITIVE_INFINITY,
  }
  const topic = { partitions: options.partitions, ...retention }
  const tell = (sentence: string) => logger.warn(sentence)
  const found = await openPresent({ log, store }, firstClicksTopic, topic, tell)
  const alertsPartitions = await openTopic({ log, store }, alertsTopic, {
    ...retention,
    partitions: found.partitions,
    retentionMs: alertsRetentionMs,
  })
  await endRebuild({ options, log, store, clicks: found, alertsPartitions })
  const clicks = await openPresent({ log, store }, firstClicksTopic, topic, tell)
  // What is taken there would not be folded.
  const ended = options.delivers ? await whyEnded({ log, store }, clicks) : undefined
  if (ended) throw ended
  await keepFirstSettings(store, options.settings)
  stops.push(
    every(retentionIntervalMs, () => {
      log.retain().catch(error => logger.warn({ err: error }, 'old records stay for now'))
    }),
  )
  const faults = faultBook<number>()
  const reach = createReach(clicks.partitions)
  return { options, log, store, clicks, alertsPartitions, reach, faults, troubled }
}

type RebuildGround = Omit<Ground, 'reach' | 'faults' | 'troubled'>

/** `drain`: as of a Site; where it is left out, the processor that is open here does it. */
async function openRebuildPlace(
  ground: RebuildGround,
  drain?: Site['drain'],
): Promise<RebuildPlace> {
  const { options, log, store, clicks, alertsPartitions } = ground
  const { logger, project, retentionMs } = options
  const shadow = await store.openBeside(shadowNameOf(store.database))
  const { signal: stopping } = new AbortController()
  const site = {
    ...{ log, project, alertsTopic, alertsPartitions, firstTopic: firstClicksTopic, stopping },
    tables: tablesOf(store, shadow, store.database),
    topic: { retentionMs, retentionBytes: Number.POSITIVE_INFINITY },
    drain: drain ?? (epoch => untilDrained(store, epoch, stopping)),
    tell: options.tell ?? ((sentence: string) => logger.info(sentence)),
  }
  return { site, present: clicks, close: () => shadow.close() }
}

/** A rebuild that has sealed the old epoch is brought to its end first: before, nothing would be folded. */
async function endRebuild(ground: RebuildGround): Promise<void> {
  const { options, log, store, alertsPartitions } = ground
  const open = await readOpenRebuild(store)
  if (!open || isRevocable(open)) return
  const shared = { log, store, alertsTopic, alertsPartitions, project: options.project }
  const drain = (epoch: Present) => drainEpoch({ ...shared, ...epoch })
  const { site, close } = await openRebuildPlace(ground, drain)
  try {
    await continueRebuild(site, await originOf(site, open), open)
  } finally {
    await close()
  }
}

async function openWebhooks({ options, log, store }: Ground, key: SecretKey): Promise<Webhooks> {
  const { clock, logger, metrics } = options
  const meter = metrics && { meter: deliveryMeter(metrics) }
  const parts = { log, store, topic: alertsTopic, key, clock, wallClock, random, logger }
  const webhooks = await startWebhooks({ ...parts, ...meter })
  if (metrics) watchReading(metrics, webhooks, partition => log.bounds(alertsTopic, partition))
  return webhooks
}

/** The processor of all partitions, opened, and what keeps them agreed. */
async function openProcessor(ground: Ground, stops: Stops) {
  const { options, log, store, clicks, alertsPartitions, reach, troubled } = ground
  const { topic, partitions } = clicks
  const shared = { log, store, alertsTopic, alertsPartitions, project: options.project }
  const tell = options.tell ?? (() => undefined)
  const accept = async (epoch: Present) => {
    if (options.acceptsLoss) await acceptLoss({ ...shared, ...epoch }, wallClock, tell)
  }
  // A growth that was begun is brought to its end before anything of the new epoch is folded.
  for (const epoch of (await readChain(store)).slice(0, -1)) {
    await accept(epoch)
    await drainEpoch({ ...shared, ...epoch })
  }
  await accept(clicks)
  const schedule = await openCutoffsSchedule(store, wallClock)
  const processor = await startProcessor({
    ...shared,
    ...clicks,
    ...(options.metrics && { meter: processorMeter(options.metrics) }),
    ...watching(ground, schedule, () => broadcaster.spread()),
  })
  stops.push(() => processor.stop())
  await reach.upTo(new Array<number>(partitions).fill(0))
  const broadcaster = startBroadcaster({
    ...{ log, store, topic, partitions, steadyClock, troubled },
    revisions: async () =>
      new Map([...processor.partitions].map(([number, { state }]) => [number, state.revisions])),
  })
  stops.push(() => broadcaster.stop())
  await broadcaster.spread()
  return { processor, broadcaster }
}

/** What is done when the processor tells of a partition. */
function watching(
  { options, reach, faults, troubled }: Ground,
  schedule: CutoffsSchedule,
  spread: () => Promise<void>,
): Pick<
  Parameters<typeof startProcessor>[0],
  'troubled' | 'failed' | 'restoring' | 'opened' | 'flushed'
> {
  const { logger } = options
  return {
    troubled(partition, error, attempt) {
      faults.tell(partition, `Partition ${partition} waits: ${error.message}`, whatNext(error))
      logger.warn({ partition, attempt, err: error }, 'a partition waits; it is tried again')
    },
    failed(partition, error) {
      const next = nextWhereItStands(error)
      faults.tell(partition, `Partition ${partition} stands still: ${error.message}`, next)
      logger.error({ partition, err: error, next }, 'a partition stands still')
      reach.failed(partition, error)
    },
    restoring: (partition, share) =>
      logger.info(`partition ${partition}: ${Math.floor(share * 100)} % of its state is read back`),
    opened(partition, nextOffset) {
      faults.end(partition)
      reach.moved(partition, nextOffset)
    },
    flushed(partition, state, nextOffset) {
      faults.end(partition)
      reach.moved(partition, nextOffset)
      if (partition !== 0) return
      schedule
        .flushed(state.clockMs)
        .then(changed => (changed ? spread() : undefined))
        .catch(troubled)
    },
  }
}

async function catchUp({ log, clicks, reach }: Ground, processor: Processor): Promise<void> {
  const ends: number[] = []
  for (let partition = 0; partition < clicks.partitions; partition++)
    ends.push((await log.bounds(clicks.topic, partition)).endOffset)
  // Who waits should not wait for the next regular flush. One that fails is tried again and reported there.
  const stopHurrying = every(hurryIntervalMs, () => {
    for (const partition of processor.partitions.values()) partition.finish().catch(() => null)
  })
  await reach.upTo(ends).finally(stopHurrying)
}
