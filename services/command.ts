/** The command line: what each command is called, what it takes, and what it prints. */
import { Command, InvalidArgumentError, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
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
    .version(packageJson.version, '--version', 'print the version')
    .addHelpText(
      'after',
      '\n`ebb COMMAND --help` says what each takes. Settings can also come from the environment, as named there.\nEBB_LOG_LEVEL sets what is logged to standard error: warn (the default), info, debug.',
    )
    .showHelpAfterError('(ebb --help lists all commands)')
    .configureHelp({ showGlobalOptions: true })
  addUp(program)
  program
    .command('pipe')
    .description('the processor as a filter: clicks in, sessions and alerts out')
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
    .description('run the whole of Ebb in this process')
    .option('--no-demo', 'no demo shop: the real thing, empty at first')
    .addOption(port('port', 'of the page', 4280, 'EBB_PORT'))
    .addOption(port('collector-port', 'of the collector', 4281, 'EBB_COLLECTOR_PORT'))
    .addOption(port('sql-port', 'of the ClickHouse HTTP interface', 4282, 'EBB_SQL_PORT'))
    .addOption(port('receiver-port', "of the demo's webhook receiver", 4283, 'EBB_RECEIVER_PORT'))
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
  const rules = program.command('rules').description('alert rules: apply, list, remove, test')
  rules
    .command('apply <file>')
    .description(
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
    .description('the rules in force, one a line')
    .action(async (_options: unknown, command: Command) =>
      withCalls(command, false, async calls => print(showRules(await calls.listRules()))),
    )
  rules
    .command('remove <id>')
    .description('end a rule; its running silences are recorded as cancelled')
    .action(async (id: string, _options: unknown, command: Command) =>
      withCalls(command, false, async calls => {
        await calls.removeRule({ id })
        print(`${id}: removed`)
      }),
    )
  rules
    .command('test <file>')
    .description('whom the rules would have caught in history; changes nothing')
    .action(async (file: string, _options: unknown, command: Command) =>
      withCalls(command, false, calls => testRules(calls, file, print)),
    )
}

function addEndpoints(program: Command): void {
  const endpoints = program.command('endpoints').description('where alerts go: add, list, remove')
  endpoints
    .command('add <url>')
    .description('send alerts there; prints the signing secret, once')
    .action(async (url: string, _options: unknown, command: Command) =>
      withCalls(command, true, async calls => {
        const { id, secret } = await calls.addEndpoint({ url })
        print(`${id}: ${url}\n\nsigning secret, shown this once: ${secret}`)
      }),
    )
  endpoints
    .command('list')
    .description('where alerts go, one a line')
    .action(async (_options: unknown, command: Command) =>
      withCalls(command, false, async calls => {
        const rows = (await calls.listEndpoints()).map(({ id, url, disabled }) => ({
          id,
          url,
          state: disabled ? 'disabled' : 'enabled',
        }))
        print(table(rows) || 'There are no endpoints yet: ebb endpoints add URL')
      }),
    )
  endpoints
    .command('remove <id>')
    .description('send nothing more there')
    .action(async (id: string, _options: unknown, command: Command) =>
      withCalls(command, false, async calls => {
        await calls.removeEndpoint({ id })
        print(`${id}: removed`)
      }),
    )
}

function addLooking(program: Command): void {
  program
    .command('user <id>')
    .description('explain one user: sessions, signals, armed timers, why there is no alert')
    .option('--json', 'as JSON, times in epoch ms')
    .action(async (userId: string, options: { json?: true }, command: Command) =>
      withCalls(command, false, async calls => {
        const user = await calls.explain({ userId })
        print(options.json ? JSON.stringify(user) : showUser(user))
        if (!user.signals) process.exitCode = 1
      }),
    )
  program
    .command('live')
    .description('end imports: from here on time is the real one; there is no way back')
    .action(async (_options: unknown, command: Command) =>
      withCalls(command, false, async calls => {
        await calls.live()
        print('The project is live.')
      }),
    )
  const log = program.command('log').description('look at the log')
  log
    .command('dump')
    .description('a partition as lines for `ebb pipe --clock log`')
    .addOption(
      new Option('--partition <number>', 'which one; needed where there are several').argParser(
        wholeNumber(0, 4095),
      ),
    )
    .action(async (options: { partition?: number }, command: Command) =>
      withCalls(command, false, calls => dumpCommand(calls, options.partition)),
    )
}

/** For a person; a bug in Ebb is thrown on, for it needs its stack. */
function sentenceOf(error: unknown): string {
  if (error instanceof EbbError) {
    const stop = /[.!?]$/.test(error.message) ? '' : '.'
    return `${error.message}${stop} ${error.next}`
  }
  // What the operating system refuses has a code and a call: a full disk, a file that may not be read.
  if (error instanceof Error && 'syscall' in error)
    return `The system refused: ${error.message}. What was acknowledged before is kept.`
  throw error
}

/** Runs one command; errors become a sentence and a status. */
export async function runCommand(args: readonly string[]): Promise<void> {
  // A reader who leaves, as `head` does, misses the rest; what the command does is done all the same.
  process.stdout.on('error', error => {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  })
  try {
    await createProgram().parseAsync(args, { from: 'user' })
  } catch (error) {
    process.stderr.write(`ebb: ${sentenceOf(error)}\n`)
    process.exitCode = 1
  }
}
