/** `ebb up`: the whole of Ebb in one process, behind its doors, until it is told to stop. */
import type { Logger } from 'pino'
import { auditMeter } from '../audit/meter.ts'
import { startAuditSchedule } from '../audit/schedule.ts'
import { EbbError } from '../base/errors.ts'
import { serveHealth } from '../base/health.ts'
import { createLogger } from '../base/logger.ts'
import { createMetrics, type Metrics, watchHealth } from '../base/metrics.ts'
import { wallClock } from '../base/time.ts'
import { startCollector } from '../collector/collector.ts'
import { collectorMeter } from '../collector/meter.ts'
import type { DemoCalls } from '../demo/command.ts'
import type { Demo } from '../demo/demo.ts'
import { serveStore } from '../store/http.ts'
import { startWeb } from '../web/app.ts'
import { webMeter } from '../web/traffic.ts'
import { projectCalls } from './calls.ts'
import { claimKind, openingOf } from './kind.ts'
import { dropLock, takeLock } from './lock.ts'
import { runStops, type Stops, untilStopped } from './stops.ts'
import { openSystem, retentionMsDefault, type System } from './system.ts'
import { serveCalls } from './wire.ts'

/** Until keys exist, everything is for this machine alone. */
const host = '127.0.0.1'

export interface UpOptions {
  readonly directory: string
  readonly demo: boolean
  readonly partitions: number
  readonly port: number
  readonly collectorPort: number
  readonly sqlPort: number
  readonly receiverPort: number
  /** Of /livez, /readyz and /metrics. */
  readonly healthPort: number
}

/** Starts all, prints what runs where, and resolves when it has been stopped by a signal. */
export async function up(options: UpOptions, print: (line: string) => void): Promise<void> {
  const logger = createLogger()
  const stops: Stops = []
  const stopped = untilStopped(stops, logger, print)
  try {
    await start(options, logger, stops, print)
  } catch (error) {
    await runStops(stops)
    throw error
  }
  await stopped
}

async function start(
  options: UpOptions,
  logger: Logger,
  stops: Stops,
  print: (line: string) => void,
): Promise<void> {
  const { directory, demo } = options
  const lock = await takeLock(directory)
  stops.push(() => dropLock(directory, lock))
  const kind = demo ? 'demo' : 'default'
  claimKind(directory, kind)
  const { replay: replayClock, ...opening } = await openingOf(directory, kind)
  const metrics = createMetrics()
  const system = await openSystem({
    ...opening,
    directory,
    partitions: options.partitions,
    logger,
    retentionMs: retentionMsDefault,
    delivers: true,
    metrics,
  })
  stops.push(() => system.stop())
  stops.push(auditDaily(system, metrics, logger))
  const calls = projectCalls(system)
  let replay: Demo | undefined
  const cutDemo: DemoCalls['cutDemo'] = async ({ durationMs, silent }) => {
    if (replay) return replay.cut(durationMs, silent)
    throw new EbbError('badInput', 'No demo runs here whose clicks could be cut off.')
  }
  stops.push(await serveCalls(lock.socket, { ...calls, cutDemo }))
  const doors = await openDoors(system, options, metrics, logger, stops)
  for (const line of banner(options, doors)) print(line)
  if (!replayClock) return
  const { receiverPort } = options
  const { startDemo } = await import('../demo/demo.ts')
  const demoRuns = await startDemo({ system, clock: replayClock, calls, print, receiverPort })
  replay = demoRuns
  stops.push(() => demoRuns.stop())
}

function auditDaily(system: System, metrics: Metrics, logger: Logger): () => Promise<void> {
  auditMeter(metrics, system.store, wallClock)
  const schedule = startAuditSchedule({
    source: () => ({ ...system, topic: system.clicksTopic }),
    wallClock,
    isOurs: () => true,
    logger,
  })
  return () => schedule.stop()
}

interface Doors {
  readonly page: string
  readonly collector: string
  readonly sql: string
  readonly health: string
}

async function openDoors(
  system: System,
  options: UpOptions,
  metrics: Metrics,
  logger: Logger,
  stops: Stops,
): Promise<Doors> {
  const { log, store, project, clock, faults } = system
  const replay = options.demo
  const web = await startWeb({
    store,
    project,
    replay,
    wallClock,
    logger,
    host,
    port: options.port,
    meter: webMeter(metrics),
  })
  stops.push(() => web.stop())
  const sql = await serveStore({ store, host, port: options.sqlPort })
  stops.push(() => sql.close())
  const collector = await startCollector({
    log,
    store,
    topic: system.clicksTopic,
    host,
    port: options.collectorPort,
    clock,
    live: system.isLive() || replay,
    ticking: !replay,
    logger,
    meter: collectorMeter(metrics),
  })
  stops.push(() => collector.stop())
  const allFaults = () => [...faults(), ...collector.faults()]
  watchHealth(metrics, allFaults, () => [])
  const { healthPort } = options
  const health = await serveHealth({
    host,
    port: healthPort,
    faults: allFaults,
    metrics: metrics.text,
  })
  stops.push(() => health.stop())
  const sqlUrl = `http://${host}:${sql.port}`
  return { page: web.url, collector: collector.url, sql: sqlUrl, health: health.url }
}

function banner(options: UpOptions, doors: Doors): string[] {
  const what = options.demo
    ? 'Ebb runs: a simulated demo shop, replayed in faster time (the real thing: npm start -- --no-demo).'
    : 'Ebb runs.'
  return [
    what,
    '',
    `  page       ${doors.page}`,
    `  collector  ${doors.collector}/v1/track`,
    `  SQL        ${doors.sql}  (ClickHouse over HTTP, read only)`,
    `  health     ${doors.health}/readyz, ${doors.health}/metrics`,
    `  data       ${options.directory}`,
    '',
    'Ctrl-C stops it and keeps everything.',
    '',
  ]
}
