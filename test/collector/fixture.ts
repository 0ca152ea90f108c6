/** A collector without socket, disk or clock; what a test sets is what it is about. */
import type { FastifyInstance } from 'fastify'
import { EbbError } from '../../services/base/errors.ts'
import { collectorApp } from '../../services/collector/app.ts'
import { requestBytesMax } from '../../services/collector/body.ts'
import type { DoorReject } from '../../services/collector/door-reject.ts'
import { intakeOf } from '../../services/collector/intake.ts'
import { goLive, liveGate } from '../../services/collector/live.ts'
import { outletOf } from '../../services/collector/outlet.ts'
import { waitingRoom } from '../../services/collector/waiting.ts'
import { decodeRecord } from '../../services/log/codec.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import type { Click, ClicksRecord, Dead } from '../../services/log/record.ts'

export const now = Date.parse('2026-03-01T12:00:00Z')
export const topic = 'clicks'
export const silent = { info() {}, warn() {}, error() {} }

export interface FakeLog extends Log {
  /** Everything durable, by partition. */
  readonly kept: NewRecord[][]
  readonly appends: { partition: number; count: number }[]
  /** While set, appends to these partitions are refused. */
  refusing: readonly number[]
  /** While set, appends wait for it before they are kept. */
  gate: Promise<void> | null
}

function unused(): never {
  throw new Error('the collector does not use this')
}

export function fakeLog(partitions = 1): FakeLog {
  const kept: NewRecord[][] = Array.from({ length: partitions }, () => [])
  return {
    kept,
    appends: [],
    refusing: [],
    gate: null,
    async append(_topic, partition, records) {
      this.appends.push({ partition, count: records.length })
      await this.gate
      if (this.refusing.includes(partition)) throw new EbbError('logFull', 'The disk is full.')
      return kept[partition]!.push(...records) - records.length
    },
    async bounds(_topic, partition) {
      return { startOffset: 0, endOffset: kept[partition]!.length }
    },
    async partitions() {
      return partitions
    },
    ensure: unused,
    read: unused,
    own: unused,
    close: unused,
  }
}

export function decoded(log: FakeLog): (ClicksRecord | Dead)[] {
  return log.kept.flat().map(record => decodeRecord(record.value))
}

export function clicksOf(log: FakeLog): Click[] {
  return decoded(log).filter(record => record.kind === 'click')
}

export interface Door {
  readonly app: FastifyInstance
  readonly log: FakeLog
  readonly rejects: DoorReject[]
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: {
    success: boolean
    accepted?: number
    rejected?: { index: number; messageId?: string; reason: string; message: string }[]
    reason?: string
    message?: string
  }
}

export function door(
  settings: { log?: FakeLog; live?: boolean; waitingBytesMax?: number } = {},
): Door {
  const log = settings.log ?? fakeLog()
  const outlet = outletOf({ log, topic, partitions: log.kept.length, logger: silent })
  const live = liveGate({ live: settings.live ?? true, goLive: () => goLive(outlet, now) })
  const rejects: DoorReject[] = []
  let ids = 0
  const app = collectorApp({
    intake: intakeOf(outlet, live),
    outlet,
    waiting: waitingRoom(settings.waitingBytesMax ?? 64 * requestBytesMax, requestBytesMax),
    clock: () => now,
    newId: () => `made-${ids++}`,
    reject: row => rejects.push(row),
    names: ['clicks.example'],
    logger: silent,
  })
  async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
    const raw = typeof body === 'string' || Buffer.isBuffer(body)
    const response = await app.inject({
      method: 'POST',
      url: path,
      payload: raw ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    })
    return { status: response.statusCode, headers: response.headers, body: response.json() }
  }
  return { app, log, rejects, post }
}

/** A good track event; `changes` of undefined leave a key out. */
export function event(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    type: 'track',
    userId: 'u1',
    event: 'Product Viewed',
    messageId: 'm1',
    timestamp: '2026-03-01T11:59:00Z',
    ...changes,
  }
}

/** `{"a":{"a":...}}` with so many objects in each other, as text, which JSON.stringify could not write. */
export function nested(levels: number): string {
  return `${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`
}

/** A promise, and what resolves it. */
export function gate(): { closed: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { closed: promise, open: resolve }
}
