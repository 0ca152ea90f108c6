/** Real parts for the tests of webhooks: the log on disk, ClickHouse in process, receivers over HTTP. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { partitionOf } from '../../services/base/slot.ts'
import { wallClock } from '../../services/base/time.ts'
import { encodeAlert, encodeErasure } from '../../services/log/codec.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import type { AlertRecord } from '../../services/log/record.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import type { Store } from '../../services/store/store.ts'
import { openSecretKey } from '../../services/webhooks/endpoints.ts'
import type { SecretKey } from '../../services/webhooks/secrets.ts'
import {
  startWebhooks,
  type WebhookSettings,
  type Webhooks,
} from '../../services/webhooks/webhooks.ts'

export const topic = 'default.alerts'
export const partitions = 2

/** Resolves each time that something happened; `until` looks again after each. */
export function createPulse() {
  let next = Promise.withResolvers<void>()
  return {
    beat() {
      next.resolve()
      next = Promise.withResolvers()
    },
    async until<Value>(look: () => Value | Promise<Value>): Promise<NonNullable<Value>> {
      for (;;) {
        const beat = next.promise
        const value = await look()
        if (value) return value
        await beat
      }
    },
  }
}

export interface Data {
  readonly directory: string
  readonly log: Log
  readonly store: Store
  readonly key: SecretKey
  /** Beats whenever rows were stored. */
  readonly stored: ReturnType<typeof createPulse>
  close(): Promise<void>
}

/** Log, tables and key in `directory`, made where missing. */
export async function openData(directory: string): Promise<Data> {
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: wallClock })
  await log.ensure(topic, { partitions, retentionMs: Infinity, retentionBytes: Infinity })
  const engine = await openEmbeddedStore({
    directory: join(directory, 'store'),
    database: 'ebb_default',
  })
  await migrate(engine)
  const stored = createPulse()
  const store: Store = {
    ...engine,
    async insert(table, rows) {
      await engine.insert(table, rows)
      stored.beat()
    },
  }
  return {
    directory,
    log,
    store,
    key: await openSecretKey(store, directory),
    stored,
    async close() {
      await log.close()
      await store.close()
    },
  }
}

export function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'ebb-webhooks-'))
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

/** No time passes but what a test lets pass; signatures are of the real time. */
export const testClockMs = Date.parse('2024-03-08T10:01:00Z')

interface Logged {
  readonly level: string
  readonly fields: object
  readonly text: string
}
export const logged: Logged[] = []
const loggedPulse = createPulse()

/** The first error that was logged, or a later one, when there are so many. */
export function errorLogged(count = 1): Promise<Logged> {
  return loggedPulse.until(() => logged.filter(({ level }) => level === 'error')[count - 1])
}

function logAs(level: string): (fields: object, text: string) => void {
  return (fields, text) => {
    logged.push({ level, fields, text })
    loggedPulse.beat()
  }
}
export const logger = { info: logAs('info'), warn: logAs('warn'), error: logAs('error') }

export function start(
  { log, store, key }: Pick<Data, 'log' | 'store' | 'key'>,
  options: { clock?: () => number; settings?: Partial<WebhookSettings> } = {},
): Promise<Webhooks> {
  return startWebhooks({
    log,
    store,
    topic,
    key,
    clock: options.clock ?? (() => testClockMs),
    wallClock,
    random: () => 0.5,
    logger,
    settings: { scheduleMs: [0, 1, 1, 1], ...options.settings },
  })
}

/** A silence of `user` that has just fired. */
export function alert(user: string, changes: Partial<AlertRecord> = {}): AlertRecord {
  const status = changes.status ?? 'fired'
  const messageId = changes.messageId ?? `m-${user}-${status}`
  return {
    messageId,
    alertId: `a-${user}`,
    ruleId: 'quiet-7d',
    ruleVersion: 1,
    userId: user,
    status,
    sinceMs: testClockMs - 604_860_000,
    dueMs: testClockMs - 60_000,
    thresholdMs: 604_800_000,
    maxAgeMs: 86_400_000,
    clockMs: testClockMs - 50_000,
    send: true,
    body: JSON.stringify({ type: 'user.quiet', data: { message_id: messageId, user_id: user } }),
    epoch: 0,
    offset: 10,
    ...changes,
  }
}

export async function append(log: Log, ...alerts: readonly AlertRecord[]): Promise<void> {
  for (const record of alerts)
    await log.append(topic, partitionOf(record.userId, partitions), [
      { key: record.userId, value: encodeAlert(record) },
    ])
}

/** As a processor tells of an Erase at that offset of the clicks. */
export function erasureRecord(userId: string, offset: number): NewRecord {
  return { key: userId, value: encodeErasure({ userId, epoch: 0, partition: 0, offset }) }
}

export async function appendErasure(log: Log, userId: string, offset = 10): Promise<void> {
  await log.append(topic, partitionOf(userId, partitions), [erasureRecord(userId, offset)])
}

export interface Hit {
  readonly id: string
  readonly body: string
  readonly headers: Record<string, string>
}

export interface Hook {
  readonly url: string
  readonly hits: Hit[]
  /** Resolves when so many requests have come in whole. */
  count(hits: number): Promise<Hit[]>
  /** Resolves when one of this message has come in whole. */
  saw(messageId: string): Promise<Hit>
  stop(): Promise<void>
}

/** A receiver that writes down every request and answers as the test says; `nth` counts from 1. */
export async function startHook(
  answer: (response: ServerResponse, nth: number, request: IncomingMessage) => void,
): Promise<Hook> {
  const hits: Hit[] = []
  const pulse = createPulse()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const headers = request.headers as Record<string, string>
    const body = Buffer.concat(chunks).toString()
    hits.push({ id: headers['webhook-id'] ?? '', body, headers })
    answer(response, hits.length, request)
    pulse.beat()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || !address) throw new Error('A server has an address.')
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    hits,
    count: wanted => pulse.until(() => (hits.length >= wanted ? hits : undefined)),
    saw: messageId => pulse.until(() => hits.find(({ id }) => id === messageId)),
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

export const answerWith =
  (code: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(code, headers).end()
  }
