/** Two processors on a real Kafka and `ebb clickhouse`; one of them dies midway. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createLogger } from '../../services/base/logger.ts'
import { type KafkaLog, openKafkaLog } from '../../services/log/kafka.ts'
import { openServerStore } from '../../services/store/server.ts'
import type { Store } from '../../services/store/store.ts'
import { freePort } from '../control/ebb.ts'
import { clicksTopic, reached } from '../servers/compare.ts'
import { type Service, startService } from '../servers/services.ts'
import type { Plan } from './plan.ts'

const lookIntervalMs = 200

export interface Servers {
  readonly log: KafkaLog
  readonly store: Store
  /** The options by which a service finds them. */
  readonly flags: readonly string[]
  /** Resolves when the service says that it runs; it ends with the servers at the latest. */
  start(...args: string[]): Promise<Service>
  close(): Promise<void>
}

/** Tables of their own for the brokers' project, and its services. */
export async function openServersHere(brokers: readonly string[]): Promise<Servers> {
  const cwd = mkdtempSync(join(tmpdir(), 'ebb-proof-'))
  const sqlPort = await freePort()
  const services: Service[] = []
  // Whoever ends this process early ends its services too.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  process.once('exit', () => {
    for (const { child } of services) child.kill('SIGKILL')
  })
  const start = async (...args: string[]) => {
    const service = startService(args, cwd)
    services.push(service)
    await service.says(/runs/)
    return service
  }
  const tables = await start('clickhouse', '--data', 'ch', '--sql-port', `${sqlPort}`)
  let closing = false
  tables.child.once('exit', (code, signal) => {
    if (!closing) process.stderr.write(`ClickHouse ended: ${code ?? signal}\n${tables.output()}\n`)
  })
  const url = `http://127.0.0.1:${sqlPort}`
  const log = await openKafkaLog({ brokers, logger: createLogger() })
  const store = await openServerStore({ url, database: 'ebb', user: 'writer' })
  return {
    log,
    store,
    flags: ['--kafka', brokers.join(','), '--clickhouse', url, '--clickhouse-user', 'writer'],
    start,
    async close() {
      closing = true
      // The tables' server is the first of them: it goes last.
      for (const { child, stop } of services.reverse())
        if (child.exitCode === null && child.signalCode === null) await stop('SIGTERM')
      await Promise.all([log.close(), store.close()])
      rmSync(cwd, { recursive: true, force: true })
    },
  }
}

/** Resolves when all is in the tables and the processors are gone, to how many records were when one was killed. */
export async function foldOnServers(
  servers: Servers,
  plan: Plan,
  say: (text: string) => void,
): Promise<number> {
  const { log, store, flags } = servers
  const processor = () => servers.start('processor', ...flags, '--health-port', '0')
  const [first, second] = await Promise.all([processor(), processor()])
  let killedAt = 0
  const killMidway = async () => {
    const { folded } = await reached(log, store)
    if (killedAt > 0 || folded < plan.records / 3) return
    killedAt = folded
    await first.stop('SIGKILL')
    say(`one processor killed with -9; the tables had ${folded} of ${plan.records} records`)
  }
  for (const day of plan.days) {
    await Promise.all(
      day.map((records, partition) =>
        records.length > 0 ? log.append(clicksTopic, partition, records) : 0,
      ),
    )
    await killMidway()
  }
  say('all of it is on Kafka')
  while (killedAt === 0) await wait(lookIntervalMs).then(killMidway)
  if (killedAt >= plan.records) throw new Error('All was folded before one could be killed.')
  await drain(servers, second, processor)
  return killedAt
}

/** The value tiers are asked for while records are folded, and come as records: until nothing more comes. */
async function drain(servers: Servers, last: Service, another: () => Promise<Service>) {
  const isFolded = async () => {
    const { folded, ends } = await reached(servers.log, servers.store)
    return folded >= ends
  }
  for (let running = last; ; running = await another()) {
    while (!(await isFolded())) {
      if (running.child.exitCode !== null) throw new Error(running.output())
      await wait(lookIntervalMs)
    }
    const status = await running.stop('SIGTERM')
    if (status !== 0) throw new Error(`A processor ended with ${status}:\n${running.output()}`)
    if (await isFolded()) return
  }
}
