/** The collector as a service: the door on a port, with its ticker and its table of rejects. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { EbbError } from '../base/errors.ts'
import type { Fault } from '../base/faults.ts'
import { randomId } from '../base/ids.ts'
import { after, every, random, wallClock } from '../base/time.ts'
import type { Log } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { type CollectorOptions, collectorApp } from './app.ts'
import { requestBytesMax } from './body.ts'
import { intakeOf } from './intake.ts'
import { goLive, liveGate } from './live.ts'
import { type CollectorMeter, idleMeter } from './meter.ts'
import { type DoorLogger, type Outlet, outletOf } from './outlet.ts'
import { rejectWriter } from './rejects.ts'
import { watchSight } from './sight.ts'
import { startTicker } from './ticker.ts'
import { waitingRoom } from './waiting.ts'

/** Of all requests that are being read or wait for the log; parsed they take several times as much. */
const waitingBytesMax = 64 * 1024 * 1024
/** Requests that have not ended by then are cut off at a stop; they were not answered. */
const drainMsMax = 8_000

export interface StartOptions {
  readonly log: Log
  readonly store: Pick<Store, 'insert'>
  readonly topic: string
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** The project's clock: the wall's, or in a replay the replayer's. */
  readonly clock: () => number
  /** Whether `Live` stands on the log already. */
  readonly live: boolean
  /** False in a replay, where the replayer alone ticks. */
  readonly ticking?: boolean
  /** Further names that clients call it by: a proxy's, a container's. */
  readonly names?: readonly string[]
  readonly logger: DoorLogger
  readonly meter?: CollectorMeter
}

export interface Collector {
  readonly url: string
  /** From here on clicks go to this topic. */
  moveTo(topic: string, partitions: number): void
  /** Why clicks are not taken now. */
  faults(): Fault[]
  /** Takes no new requests, ends those that run, writes the rejects. */
  stop(): Promise<void>
}

/** All of a collector but its port: what answers requests, whatever brings them. */
export interface Wired {
  readonly door: CollectorOptions
  readonly outlet: Outlet
  /** `writer`: who ticks, for looking at. */
  startTicking(writer: string): () => void
  /** Writes the rejects. */
  stop(): Promise<void>
}

export async function wireCollector(
  options: Omit<StartOptions, 'host' | 'port' | 'ticking'>,
): Promise<Wired> {
  const { log, store, topic, clock, names = [], logger, meter = idleMeter } = options
  const partitions = await log.partitions(topic)
  const outlet = outletOf({ log, topic, partitions, logger })
  const live = liveGate({ live: options.live, goLive: () => goLive(outlet, clock()) })
  const waiting = waitingRoom(waitingBytesMax, requestBytesMax)
  const writer = Math.floor(random() * 2 ** 16)
  const rejects = rejectWriter({ store, logger, startedAtMs: wallClock(), writer, every })
  const intake = intakeOf(outlet, live)
  return {
    door: {
      async intake(clicks) {
        await intake(clicks)
        meter.accepted(clicks.length)
      },
      outlet,
      waiting,
      clock,
      newId: randomId,
      reject(row) {
        meter.rejected(row.reason)
        rejects.reject(row)
      },
      names,
      logger,
    },
    outlet,
    startTicking: writer =>
      startTicker({ outlet, live, clock, every, writer, isFull: waiting.isFull }),
    stop: () => rejects.stop(),
  }
}

export async function startCollector(options: StartOptions): Promise<Collector> {
  const { host, port, meter = idleMeter, names = [] } = options
  const wired = await wireCollector({ ...options, names: [host, ...names] })
  const app = collectorApp(wired.door)
  app.addHook('onResponse', async (_request, reply) => meter.answered(reply.statusCode))
  let url: string
  try {
    url = await listen(app, host, port)
  } catch (error) {
    await wired.stop()
    throw error
  }
  const stopTicker = options.ticking === false ? () => {} : wired.startTicking(url)

  const sight = watchSight({ outlet: wired.outlet, every })

  async function stop(): Promise<void> {
    stopTicker()
    sight.stop()
    const cancel = after(drainMsMax, () => app.server.closeAllConnections())
    await app.close()
    cancel()
    await wired.stop()
  }

  return { url, moveTo: wired.outlet.moveTo, faults: sight.faults, stop }
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    await app.close()
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    const sentence = `Port ${port} of ${host} is taken: something else listens there.`
    throw new EbbError('portTaken', sentence, { cause: error })
  }
  const { address, family, port: bound } = app.server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`
}
