/**
 * A project on a real Kafka and `ebb clickhouse`, its services in processes of their own, a proxy between them and
 * ClickHouse, and a log to pour in piece by piece. Its topics go with it: the next scene begins afresh.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { checkReplication } from '../../infra/kafka/replication.ts'
import { createLogger } from '../../services/base/logger.ts'
import { alertsRetentionMs, retentionMsDefault } from '../../services/control/system.ts'
import { type KafkaLog, openKafkaLog } from '../../services/log/kafka.ts'
import { openServerStore } from '../../services/store/server.ts'
import type { Store } from '../../services/store/store.ts'
import { freePort } from '../control/ebb.ts'
import { shopLog } from '../processor/shop.ts'
import { watchBehind } from './behind.ts'
import { alertsTopic, clicksTopic, reached } from './compare.ts'
import { startProxy, type TcpProxy } from './proxy.ts'
import { type Service, startService } from './services.ts'

export const partitions = 4
/** How long ClickHouse is down or cannot be seen. */
export const faultMs = Number(process.env.EBB_FAULT_MS ?? 12_000)
/** A test that hangs ends by then; far above what one takes on a busy machine. */
export const sceneMsMax = 1_200_000 + 3 * faultMs
const pollIntervalMs = 100
/** Records of each partition in one append. */
const pieceRecords = 100
const seed = 41

export interface Scene {
  readonly cwd: string
  readonly log: KafkaLog
  /** Straight to ClickHouse. Undefined behaviour while it is stopped: nobody asks. */
  readonly store: Store
  /** Between the services and ClickHouse. */
  readonly proxy: TcpProxy
  readonly sqlPort: number
  /** Those of all services on servers, by the proxy. */
  readonly servers: readonly string[]
  /** The same by other addresses. */
  serversBy(kafka: string, clickhouse: string): readonly string[]
  /** Starts a service; resolves when it runs. */
  start(...args: string[]): Promise<Service>
  startClickHouse(): Promise<void>
  stopClickHouse(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Appends the shop's log up to this share of it, from where the last call ended, evenly over the time. */
  pour(share: number, durationMs?: number): Promise<void>
  /** Resolves when the tables hold all that is on the log. */
  folded(): Promise<void>
}

/** Asks again and again. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await wait(pollIntervalMs)
}

/** The answer of a service's health door. Throws what the service said last when it has ended. */
export async function askHealth(service: Service, path: 'livez' | 'readyz' | 'metrics') {
  assert.equal(service.child.exitCode ?? service.child.signalCode, null, service.output())
  const [, url] = /health\s+(http:\S+)\/readyz/.exec(service.output())!
  const answer = await fetch(`${url}/${path}`)
  return { status: answer.status, text: await answer.text() }
}

/** Resolves when the service's health names a fault like this. */
export async function complains(service: Service, fault: RegExp): Promise<void> {
  await until(async () => {
    const { status, text } = await askHealth(service, 'readyz')
    return status === 503 && fault.test(text)
  })
}

export async function isWell(service: Service): Promise<void> {
  await until(async () => (await askHealth(service, 'readyz')).status === 200)
}

export async function figure(service: Service, name: string): Promise<number> {
  const { text } = await askHealth(service, 'metrics')
  const line = text.split('\n').find(line => line.startsWith(`${name} `))
  assert.ok(line, `${name} is in ${text}`)
  return Number(line.slice(name.length + 1))
}

/** How often its share of the partitions was dealt anew; `EBB_LOG_LEVEL` is info here. */
export function groupChanges(service: Service): number {
  return service.output().split('The group has changed').length - 1
}

export async function beginScene(
  t: TestContext,
  kafka: readonly string[],
  options: {
    readonly data?: string
    readonly clicks?: number
    /** The topics are there, and weaker than Ebb makes them. */
    readonly weakTopics?: boolean
  } = {},
): Promise<Scene> {
  const { data = 'ch', clicks = 12_000, weakTopics = false } = options
  const cwd = mkdtempSync(join(tmpdir(), 'ebb-scene-'))
  const sqlPort = await freePort()
  const proxy = await startProxy({ host: '127.0.0.1', port: sqlPort })
  const running: Service[] = []
  let clickhouse: Service | undefined
  const ends: (() => Promise<unknown>)[] = []
  // In order where it can be: the next scene's members would wait for those of a group that died.
  t.after(async () => {
    await proxy.suffer({ kind: 'none' })
    const isOver = ({ child }: Service) => child.exitCode !== null || child.signalCode !== null
    for (const service of running) if (!isOver(service)) await service.stop('SIGTERM')
    for (const end of ends) await end()
    if (clickhouse && !isOver(clickhouse)) await clickhouse.stop('SIGKILL')
    await proxy.stop()
    await deleteTopics(kafka)
    rmSync(cwd, { recursive: true, force: true })
  })
  process.env.EBB_LOG_LEVEL = 'info'
  const startClickHouse = async () => {
    clickhouse = startService(['clickhouse', '--data', data, '--sql-port', `${sqlPort}`], cwd)
    await clickhouse.says(/runs/)
  }
  await startClickHouse()
  const log = await openKafkaLog({ brokers: kafka, logger: createLogger() })
  ends.push(() => log.close())
  // Whoever comes first makes them; here it is us, so that they are there for us.
  const retentionBytes = Number.POSITIVE_INFINITY
  await log.ensure(clicksTopic, { partitions, retentionMs: retentionMsDefault, retentionBytes })
  await log.ensure(alertsTopic, { partitions, retentionMs: alertsRetentionMs, retentionBytes })
  if (!weakTopics) await checkReplication(kafka, [clicksTopic, alertsTopic])
  const url = `http://127.0.0.1:${sqlPort}`
  const store = await openServerStore({ url, database: 'ebb', user: 'writer' })
  ends.push(() => store.close())
  const behind = watchBehind(log, store)
  ends.unshift(async () => {
    const { worstMs, recoveredMs } = behind.stop()
    t.diagnostic(`tables behind: ${worstMs} ms at most, up to date again after ${recoveredMs} ms`)
  })
  const serversBy = (brokers: string, clickhouseUrl: string) => [
    ...['--kafka', brokers, '--clickhouse', clickhouseUrl, '--clickhouse-user', 'writer'],
    ...['--health-port', '0', '--partitions', String(partitions)],
  ]
  const servers = serversBy(kafka.join(','), proxy.url)
  const entries = shopLog({ seed, clicks, users: clicks / 24, stepMs: 30_000 }, partitions)
  const most = Math.max(...entries.map(of => of.length))
  let poured = 0
  return {
    ...{ cwd, log, store, proxy, sqlPort, servers, serversBy, startClickHouse },
    async start(...args) {
      const service = startService(args, cwd)
      running.push(service)
      await service.says(/topic {2}/)
      return service
    },
    async stopClickHouse(signal) {
      await clickhouse!.stop(signal)
    },
    async pour(share, durationMs = 0) {
      const end = Math.ceil(most * share)
      const pieces = Math.ceil((end - poured) / pieceRecords)
      for (; poured < end; poured += pieceRecords) {
        const piece = entries.map(of => of.slice(poured, Math.min(end, poured + pieceRecords)))
        const appends = piece.map((of, partition) =>
          of.length === 0
            ? 0
            : log.append(
                clicksTopic,
                partition,
                of.map(entry => entry.record),
              ),
        )
        await Promise.all(appends)
        if (durationMs > 0) await wait(durationMs / pieces)
      }
      poured = end
    },
    folded: () =>
      until(async () => {
        const { folded, ends } = await reached(log, store)
        return folded >= ends
      }),
  }
}

async function deleteTopics(brokers: readonly string[]): Promise<void> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [clicksTopic, alertsTopic] })
  await admin.disconnect()
}
