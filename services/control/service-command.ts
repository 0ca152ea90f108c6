/** `ebb collector | processor | webhooks | web`, each alone on servers, and `ebb clickhouse`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Command, Option } from 'commander'
import { createLogger } from '../base/logger.ts'
import { after } from '../base/time.ts'
import { openEmbeddedStore } from '../store/embedded.ts'
import { serveStore } from '../store/http.ts'
import { dropLock, takeLock } from './lock.ts'
import { addServerOptions, keysOption, type ServerFlags, serversOf } from './server-options.ts'
import { runService, type ServiceName, serviceNames } from './service.ts'
import { runStops, type Stops, untilStopped } from './stops.ts'

interface ServiceFlags extends ServerFlags {
  readonly host: string
  readonly names: string
  readonly port: number
  readonly healthPort: number
  readonly keys: string
  readonly workers: number
}

/** What each service does, and its usual ports: its own, and that of its health. */
const services: Record<ServiceName, { summary: string; port: number; healthPort: number }> = {
  collector: { summary: 'clicks in, to Kafka', port: 4281, healthPort: 4291 },
  processor: { summary: 'clicks into sessions, signals and alerts', port: 0, healthPort: 4292 },
  webhooks: { summary: 'alerts out, to the endpoints', port: 0, healthPort: 4293 },
  web: { summary: 'the page', port: 4280, healthPort: 4290 },
}

/** Reads a number of an option, or refuses it in a sentence. */
type WholeNumber = (low: number, high: number) => (text: string) => number

const portMax = 65_535
/** Each has a port of its own for its health, and takes memory as a machine of its own would. */
const workersMax = 64

export function addServices(
  program: Command,
  wholeNumber: WholeNumber,
  print: (text: string) => void,
): void {
  for (const name of serviceNames) addService(program, name, wholeNumber, print)
  program
    .command('clickhouse')
    .description('the ClickHouse engine of this package as a server, for machines that have none')
    .addOption(
      new Option('--sql-port <port>', 'of the ClickHouse HTTP interface')
        .default(8123)
        .env('EBB_SQL_PORT')
        .argParser(wholeNumber(0, portMax)),
    )
    .action(async (_options: unknown, command: Command) => {
      const { data = './data-clickhouse', sqlPort } = command.optsWithGlobals<{
        data?: string
        sqlPort: number
      }>()
      await runClickHouse(data, sqlPort, print)
      process.exit(0)
    })
}

function addService(
  program: Command,
  name: ServiceName,
  wholeNumber: WholeNumber,
  print: (text: string) => void,
): void {
  const { summary, port, healthPort } = services[name]
  const portNumber = wholeNumber(0, portMax)
  const option = (flag: string, text: string, variable: string, otherwise: string | number) =>
    new Option(flag, text).env(variable).default(otherwise)
  const command = addServerOptions(program.command(name), true)
    .description(`${summary}; alone, on servers`)
    .addOption(option('--host <address>', 'to listen on', 'EBB_HOST', '127.0.0.1'))
    .addOption(
      option(
        '--health-port <port>',
        'of /livez, /readyz, /metrics',
        'EBB_HEALTH_PORT',
        healthPort,
      ).argParser(portNumber),
    )
  if (port !== 0)
    command.addOption(
      option('--port <port>', 'of the service', 'EBB_PORT', port).argParser(portNumber),
    )
  if (name === 'collector' || name === 'web')
    command.addOption(
      option('--names <names>', 'it is called by, beside localhost; with commas', 'EBB_NAMES', ''),
    )
  if (name === 'webhooks') command.addOption(keysOption())
  if (name === 'processor')
    command.addOption(
      option('--workers <number>', 'processes of this machine', 'EBB_WORKERS', 1).argParser(
        wholeNumber(1, workersMax),
      ),
    )
  command.action(async (_options: unknown, action: Command) => {
    const flags = action.optsWithGlobals<ServiceFlags>()
    if (name === 'processor' && flags.workers > 1) await runWorkers(flags, print)
    else await runService(serviceOptions(name, flags), print)
    process.exit(0)
  })
}

function serviceOptions(service: ServiceName, flags: ServiceFlags) {
  return {
    ...serversOf(flags),
    service,
    host: flags.host,
    names: (flags.names ?? '')
      .split(',')
      .map(name => name.trim())
      .filter(name => name !== ''),
    port: flags.port ?? 0,
    healthPort: flags.healthPort,
    keyDirectory: flags.keys ?? '.',
  }
}

/** So long after its death a worker is started again: a fault that lasts must not spin. */
const restartDelayMs = 1_000

/** Between the health ports of two workers: right behind the first one are those of the other services. */
const workerPortStep = 10

/** Several processors on one machine: each a process of its own, started again when it dies. */
async function runWorkers(flags: ServiceFlags, print: (text: string) => void): Promise<void> {
  const logger = createLogger()
  const running = new Set<ChildProcess>()
  let stopping = false
  const start = (worker: number) => {
    const environment = {
      ...process.env,
      EBB_WORKERS: '1',
      // 0 is any free one, for each of them.
      EBB_HEALTH_PORT: String(flags.healthPort && flags.healthPort + worker * workerPortStep),
    }
    // Flags would win over the environment: the worker gets all but these two.
    const args = withoutFlags(process.argv.slice(2), ['--workers', '--health-port'])
    const door = new URL('../ebb.cjs', import.meta.url).pathname
    const child = spawn(process.execPath, [door, ...args], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: environment,
    })
    running.add(child)
    child.on('exit', (code, signal) => {
      running.delete(child)
      if (stopping) return
      logger.error({ worker, code, signal }, 'a processor died and is started again')
      after(restartDelayMs, () => start(worker))
    })
  }
  const stops: Stops = [
    async () => {
      stopping = true
      const ended = [...running].map(child => once(child, 'exit'))
      for (const child of running) child.kill('SIGTERM')
      await Promise.all(ended)
    },
  ]
  const stopped = untilStopped(stops, logger, print)
  for (let worker = 0; worker < flags.workers; worker++) start(worker)
  await stopped
}

/** The arguments without these flags and their values. */
function withoutFlags(args: readonly string[], flags: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < args.length; at++) {
    const argument = args[at]!
    if (flags.includes(argument)) at++
    else if (!flags.some(flag => argument.startsWith(`${flag}=`))) kept.push(argument)
  }
  return kept
}

async function runClickHouse(
  directory: string,
  port: number,
  print: (text: string) => void,
): Promise<void> {
  const stops: Stops = []
  const stopped = untilStopped(stops, createLogger(), print)
  try {
    const lock = await takeLock(directory)
    stops.push(() => dropLock(directory, lock))
    const store = await openEmbeddedStore({ directory: `${directory}/clickhouse`, database: 'ebb' })
    stops.push(() => store.close())
    const served = await serveStore({ store, host: '127.0.0.1', port, users: 'write' })
    stops.push(() => served.close())
    print(
      `ClickHouse runs: http://127.0.0.1:${served.port}, in ${directory}; the user writer may write.`,
    )
  } catch (error) {
    await runStops(stops)
    throw error
  }
  await stopped
}
