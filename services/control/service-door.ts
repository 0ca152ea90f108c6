/**
 * The health door of a service on servers, open from its first moment to its last: not ready while it waits for Kafka
 * and ClickHouse, then as the service says of itself.
 */
import type { Logger } from 'pino'
import { EbbError, isWaitedFor } from '../base/errors.ts'
import { type Fault, faultBook } from '../base/faults.ts'
import { type HealthDoor, serveHealth } from '../base/health.ts'
import { type Metrics, watchHealth } from '../base/metrics.ts'
import { pause, wallClock } from '../base/time.ts'
import type { KafkaLog } from '../log/kafka.ts'
import { keepFirstSettings } from './project.ts'
import { openServers, type ServerOptions, type Servers } from './servers.ts'
import { liveSettings } from './system.ts'

const retryDelayMsMax = 10_000
const waitsForServers = 'Ebb tries again every 10 s at most, and starts when they answer.'

/** What a service says of itself. */
export interface Running {
  readonly says: string
  /** Why it cannot do its work now. */
  readonly faults: () => readonly Fault[]
  /** False: it does its work without ClickHouse for a while, and is ready nonetheless. */
  readonly needsStore: boolean
}

export interface ServiceDoor extends HealthDoor {
  /** It has not reached its servers, and why. */
  waits(what: string): void
  /** From here on it is as ready as these say. */
  opened(servers: Servers, running: Running): void
}

export async function openServiceDoor(
  place: { readonly host: string; readonly port: number },
  metrics: Metrics,
): Promise<ServiceDoor> {
  const waiting = faultBook<'start'>()
  const waits = (what: string) => waiting.tell('start', what, waitsForServers)
  waits('The service has not reached Kafka and ClickHouse yet')
  let faults: () => readonly Fault[] = waiting.all
  let warnings: () => readonly Fault[] = () => []
  const now = { faults: () => faults(), warnings: () => warnings() }
  watchHealth(metrics, now.faults, now.warnings)
  const door = await serveHealth({ ...place, ...now, metrics: metrics.text })
  return {
    ...door,
    waits,
    opened({ log, storeFaults }, running) {
      const ofStore = running.needsStore ? storeFaults : () => []
      faults = () => [...running.faults(), ...logFaults(log), ...ofStore()]
      if (!running.needsStore) warnings = storeFaults
    },
  }
}

/**
 * Both, as soon as they answer, take what a service needs and pass what it asks of them; undefined when it is to stop
 * before.
 */
export async function reachServers(
  options: ServerOptions,
  logger: Logger,
  waits: (what: string) => void,
  stopping: AbortSignal,
  examine: (servers: Servers) => Promise<void>,
): Promise<Servers | undefined> {
  for (let attempt = 1; !stopping.aborted; attempt++) {
    try {
      return await openForService(options, logger, examine)
    } catch (error) {
      if (!isWaitedFor(error) && !isOtherLog(error)) throw error
      logger.warn(
        { err: error, attempt },
        'the service waits for its servers; they are tried again',
      )
      waits(error.message)
    }
    await pause(Math.min(500 * 2 ** attempt, retryDelayMsMax), stopping)
  }
  return undefined
}

/** Whoever brings the right log back need not start the services again. */
function isOtherLog(error: unknown): error is EbbError {
  return error instanceof EbbError && error.code === 'topicMismatch'
}

async function openForService(
  options: ServerOptions,
  logger: Logger,
  examine: (servers: Servers) => Promise<void>,
): Promise<Servers> {
  const servers = await openServers(options, logger)
  try {
    await keepFirstSettings(servers.store, liveSettings)
    await examine(servers)
    return servers
  } catch (error) {
    await servers.close()
    throw error
  }
}

/** Of who owns partitions of a topic. */
function logFaults({ standing, unseen }: KafkaLog): Fault[] {
  const nowMs = wallClock()
  const away = unseen().map(({ what, forMs }) => ({
    what,
    sinceMs: nowMs - forMs,
    next: 'Ebb asks until it answers, and goes on where it was.',
  }))
  const still = standing().map(({ topic, partition, behind, standingMs }) => ({
    what: `Partition ${partition} of ${topic} should move and has not, ${behind} records behind`,
    sinceMs: nowMs - standingMs,
    next: 'Ebb goes on with it as soon as its work or its broker lets it.',
  }))
  return [...away, ...still]
}
