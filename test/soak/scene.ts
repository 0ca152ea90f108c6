/** Three brokers, `ebb clickhouse` behind a proxy, two collectors, two processors, webhooks and a receiver, all real. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Brokers } from '../../infra/kafka/broker.ts'
import { createLogger } from '../../services/base/logger.ts'
import { wallClock } from '../../services/base/time.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { type KafkaLog, openKafkaLog } from '../../services/log/kafka.ts'
import { openServerStore } from '../../services/store/server.ts'
import type { Store } from '../../services/store/store.ts'
import { addEndpoint, openSecretKey } from '../../services/webhooks/endpoints.ts'
import { freePort } from '../control/ebb.ts'
import { clicksTopic } from '../servers/compare.ts'
import { startProxy, type TcpProxy } from '../servers/proxy.ts'
import { type Service, startService } from '../servers/services.ts'
import { type Kept, keep } from './keeper.ts'
import { type FaultyReceiver, startFaultyReceiver } from './receiver.ts'

/** Sessions close and silences fire within minutes. The revision is beyond a new project's own. */
const settings = { gap: '10s', disorder: '1s', lateness: '20s', guards: 'off' }
/** About three alerts for each hundred clicks: some hundred times what a shop has. */
const rule = {
  id: 'bought',
  when: { quiet_for: '40s', since: 'purchase' },
  then: { escalate: ['80s'], cooldown: '60s' },
  holdout: '50%',
}

export interface SoakScene {
  readonly log: KafkaLog
  /** Straight to ClickHouse. */
  readonly store: Store
  /** Between the services and ClickHouse. */
  readonly proxy: TcpProxy
  readonly brokers: Brokers
  readonly receiver: FaultyReceiver
  readonly clickhouse: Kept
  readonly collectors: readonly Kept[]
  readonly collectorUrls: readonly string[]
  readonly processors: readonly Kept[]
  readonly webhooks: Kept
  /** One more, which nobody keeps; resolves when it runs. */
  startProcessor(): Promise<Service>
}

/** What is there before the services are. */
export interface Ground {
  /** Starts the services, and resolves when all of them run. */
  begin(): Promise<SoakScene>
  /** Ends whatever still runs, at once, and leaves nothing behind. */
  clear(): Promise<void>
}

/** Topics and tables, and the rule on the log. */
export async function prepareGround(brokers: Brokers): Promise<Ground> {
  const cwd = mkdtempSync(join(tmpdir(), 'ebb-soak-'))
  const sqlPort = await freePort()
  const proxy = await startProxy({ host: '127.0.0.1', port: sqlPort })
  const kept: Kept[] = []
  const visitors: Service[] = []
  const keepAlso = (...args: string[]) => {
    const service = keep(args, cwd)
    kept.push(service)
    return service
  }
  const endAll = () => {
    for (const service of kept) service.end()
    for (const { child } of visitors) child.kill('SIGKILL')
  }
  // Whoever ends this process early ends its services too.
  process.once('exit', endAll)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const flags = [
    ...['--kafka', brokers.addresses.join(','), '--clickhouse', proxy.url],
    ...['--clickhouse-user', 'writer', '--health-port', '0'],
  ]
  const startProcessor = async () => {
    const service = startService(['processor', ...flags], cwd)
    visitors.push(service)
    await service.says(/runs/)
    return service
  }
  const clickhouse = keepAlso('clickhouse', '--data', 'ch', '--sql-port', String(sqlPort))
  await clickhouse.runs()
  const first = await startProcessor()
  await first.stop('SIGTERM')
  const log = await openKafkaLog({ brokers: brokers.addresses, logger: createLogger() })
  const url = `http://127.0.0.1:${sqlPort}`
  const store = await openServerStore({ url, database: 'ebb', user: 'writer' })
  await appendRule(log)
  const receiver = await startFaultyReceiver()
  const key = await openSecretKey(store, cwd)
  receiver.believe((await addEndpoint(store, key, receiver.url, wallClock())).secret)

  return {
    async begin() {
      const ports = [await freePort(), await freePort()]
      const collectors = ports.map(port => keepAlso('collector', ...flags, '--port', String(port)))
      const processors = [1, 2].map(() => keepAlso('processor', ...flags))
      const webhooks = keepAlso('webhooks', ...flags, '--keys', cwd)
      await Promise.all(kept.map(service => service.runs()))
      const collectorUrls = ports.map(port => `http://127.0.0.1:${port}`)
      return {
        ...{ log, store, proxy, brokers, receiver, clickhouse, webhooks, startProcessor },
        ...{ collectors, collectorUrls, processors },
      }
    },
    async clear() {
      endAll()
      await Promise.all([log.close(), store.close(), proxy.stop(), receiver.stop()])
      rmSync(cwd, { recursive: true, force: true })
    },
  }
}

/** Onto each partition, settings and a rule: those of the soak, where no others are given. */
export async function appendRule(
  log: KafkaLog,
  given: { readonly settings: object; readonly rule: object } = { settings, rule },
): Promise<void> {
  const records = [
    encodeRecord({ kind: 'settings', revision: 1000, settings: JSON.stringify(given.settings) }),
    encodeRecord({ kind: 'rule', revision: 1, rule: JSON.stringify(given.rule) }),
  ].map(value => ({ key: null, value }))
  for (let partition = 0; partition < (await log.partitions(clicksTopic)); partition++)
    await log.append(clicksTopic, partition, records)
}
