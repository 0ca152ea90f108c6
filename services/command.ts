/** The command line: what each command is called, what it takes, and what it prints. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { EbbError } from './base/errors.ts'
import { wallClock } from './base/time.ts'
import { addImportCommand } from './collector/import/command.ts'
import { readText, testRules } from './control/backtest.ts'
import { connectTo, dataDirectory, demoDirectory, partitionsDefault } from './control/connect.ts'
import { dumpCommand } from './control/dump.ts'
import { openImportTarget } from './control/import.ts'
import { addServices } from './control/service-command.ts'
import { showRules, showUser, table } from './control/show.ts'
import { up } from './control/up.ts'
import { pipeHelp } from './processor/pipe/command.ts'

interface Shared {
  readonly data?: string
  readonly partitions: number
}

function wholeNumber(low: number, high: number) {
  return (text: string) => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= low && value <= high) return value
    throw new InvalidArgumentError(`It must be a whole number from ${low} to ${high}.`)
  }
}

function powerOfTwo(text: string): number {
  const value = wholeNumber(1, 4096)(text)
  if ((value & (value - 1)) === 0) return value
  throw new InvalidArgumentError('It must be a power of two: 1, 2, 4, ... 4096.')
}

function port(flag: string, text: string, otherwise: number, variable: string): Option {
  return new Option(`--${flag} <port>`, text)
    .default(otherwise)
    .env(variable)
    .argParser(wholeNumber(0, 65_535))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** A program that does nothing yet. */
function createProgram(): Command {
  const program = new Command('ebb')
    .description('Tells which valuable users are going quiet, early enough to win them back.')
    .addOption(
      new Option(
        '--data <directory>',
        `the project's directory (default: ${dataDirectory}; ${demoDirectory} while only the demo runs)`,
      ).env('EBB_DATA'),
    )
    .addOption(
      new Option('--partitions <number>', 'of a new project: a power of two')
        .default(partitionsDefault)
        .env('EBB_PARTITIONS')
        .argParser(powerOfTwo),
    )
    .showHelpAfterError('(ebb --help lists all commands)')
    .configureHelp({ showGlobalOptions: true })
  addUp(program)
  program
    .command('pipe')
    .summary('the processor as a filter: clicks in, sessions and alerts out')
    .helpOption(false)
    .action(() => print(pipeHelp))
  addImportCommand(program, options => connectImport(options as unknown as Shared), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    nowMs: wallClock,
  })
  addRules(program)
  addEndpoints(program)
  addLooking(program)
  addServices(program, wholeNumber(0, 65_535), print)
  return program
}

function addUp(program: Command): void {
  program
    .command('up')
    .summary('run the whole of Ebb in this process')
    .option('--no-demo', 'no demo shop: the real thing, empty at first')
    .addOption(port('port', 'of the page', 4280, 'EBB_PORT'))
    .addOption(port('collector-port', 'of the collector', 4281, 'EBB_COLLECTOR_PORT'))
    .addOption(port('sql-port', 'of the ClickHouse HTTP interface', 4282, 'EBB_SQL_PORT'))
    .addOption(port('receiver-port', "of the demo's webhook receiver", 4283, 'EBB_RECEIVER_PORT'))
    .addHelpText(
      'after',
      '\nEBB_LOG_LEVEL sets what is logged to standard error: warn, info, debug.',
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<
        Shared & {
          demo: boolean
          port: number
          collectorPort: number
          sqlPort: number
          receiverPort: number
        }
      >()
      const directory = options.data ?? (options.demo ? demoDirectory : dataDirectory)
      await up({ ...options, directory }, print)
      // Whatever still holds the event loop is of no more use: all is stopped and on the disk.
      process.exit(0)
    })
}

async function connectImport(options: Shared) {
  const { calls, close } = await connectTo(options.data, {
    makes: true,
    partitions: options.partitions,
  })
  return openImportTarget(calls, close)
}

/** Runs `work` on the calls of the project, and lets go of it whatever happens. */
async function withCalls(
  command: Command,
  makes: boolean,
  work: (calls: Awaited<ReturnType<typeof connectTo>>['calls']) => Promise<void>,
): Promise<void> {
  const options = command.optsWithGlobals<Shared>()
  const connection = await connectTo(options.data, { makes, partitions: options.partitions })
  try {
    await work(connection.calls)
  } finally {
    await connection.close()
  }
}

function addRules(program: Command): void {
  const rules = program.command('rules').summary('alert rules: apply, list, remove, test')
  rules
    .command('apply <file>')
    .summary(
      'add or change the rules of a file: JSON, one rule, an array, or one a line; - is standard input',
    )
    .action(async (file: string, _options: unknown, command: Command) =>
      withCalls(command, true, async calls => {
        for (const { id, changed } of await calls.applyRules({ text: await readText(file) }))
          print(`${id}: ${changed ? 'applied' : 'is so already'}`)
      }),
    )
  rules
    .command('list')
    .summary('the rules in force, one a line')
    .action(async (_options: unknown, command: Command) =>
      withCalls(command, false, async calls => print(showRules(await calls.listRules()))),
    )
  rules
    .command('remove <id>')
    .summary('end a rule; its running silences are recorded as cancelled')
    .action(async (id: string, _options: unknown, command: Command) =>
      withCalls(command, false, async calls => {
        await calls.removeRule({ id })
        print(`${id}: removed`)
      }),
    )
  rules
    .command('test <file>')
    .summary('whom the rules would have caught in history; changes nothing')
    .action(async (file: string, _options: unknown, command: Command) =>
      withCalls(command, false, calls => testRules(calls, file, print)),
    )
}

function addEndpoints(program: Command): void {
  const endpoints = program.command('endpoints').summary('where alerts go: add, list, remove')
  endpoints
    .command('add <url>')
    .summary('send alerts there; prints the signing secret, once')
    .action(async (url: string, _options: unknown, command: Command) =>
      withCalls(command, true, async calls => {
        const { id, secret } = await calls.addEndpoint({ url })
        print(`${id}: ${url}\n\nsigning secret, shown this once: ${secret}`)
      }),
    )
  endpoints.command('list').action(async (_options: unknown, command: Command) =>
    withCalls(command, false, async calls => {
      const rows = (await calls.listEndpoints()).map(({ id, url, disabled }) => ({
        id,
        url,
        state: disabled ? 'disabled' : 'enabled',
      }))
      print(table(rows) || 'There are no endpoints yet: ebb endpoints add URL')
    }),
  )
  endpoints.command('remove <id>').action(async (id: string, _options: unknown, command: Command) =>
    withCalls(command, false, async calls => {
      await calls.removeEndpoint({ id })
      print(`${id}: removed`)
    }),
  )
}

function addLooking(program: Command): void {
  program
    .command('user <id>')
    .summary('explain one user: sessions, signals, armed timers, why there is no alert')
    .option('--json', 'as JSON, times in epoch ms')
    .action(async (userId: string, options: { json?: true }, command: Command) =>
      withCalls(command, false, async calls => {
        const user = await calls.explain({ userId })
        print(options.json ? JSON.stringify(user) : showUser(user))
      }),
    )
  program
    .command('live')
    .summary('end imports: from here on time is the real one; there is no way back')
    .action(async (_options: unknown, command: Command) =>
      withCalls(command, false, async calls => {
        await calls.live()
        print('The project is live.')
      }),
    )
  const log = program.command('log').summary('look at the log')
  log
    .command('dump')
    .summary('a partition as lines for `ebb pipe --clock log`')
    .addOption(new Option('--partition <number>').argParser(wholeNumber(0, 4095)))
    .action(async (options: { partition?: number }, command: Command) =>
      withCalls(command, false, calls => dumpCommand(calls, options.partition)),
    )
}

/** Runs one command; errors become a sentence and a status. */
export async function runCommand(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof EbbError)) throw error
    const stop = /[.!?]$/.test(error.message) ? '' : '.'
    process.stderr.write(`ebb: ${error.message}${stop} ${error.next}\n`)
    process.exitCode = 1
  }
}
