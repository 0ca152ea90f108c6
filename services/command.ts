/** The command line: what each command is called, what it takes, and what it prints. */
import { Command, InvalidArgumentError, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { EbbError } from './base/errors.ts'
import { dataDirectory, demoDirectory, partitionsDefault } from './control/connect.ts'
import { demoPartitions } from './control/kind.ts'
import { addProjectCommands } from './control/project-command.ts'
import { addServices } from './control/service-command.ts'
import { up } from './control/up.ts'
import { addDemo } from './demo/command.ts'
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
  addDemo(program, print)
  program
    .command('pipe')
    .description('the processor as a filter: clicks in, sessions and alerts out')
    .helpOption(false)
    .action(() => print(pipeHelp))
  addProjectCommands(program, wholeNumber(0, 4095), print)
  addServices(program, wholeNumber, print)
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
    .addOption(port('health-port', 'of /livez, /readyz, /metrics', 4290, 'EBB_HEALTH_PORT'))
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<
        Shared & {
          demo: boolean
          port: number
          collectorPort: number
          sqlPort: number
          receiverPort: number
          healthPort: number
        }
      >()
      const directory = options.data ?? (options.demo ? demoDirectory : dataDirectory)
      const isAsked = command.getOptionValueSourceWithGlobals('partitions') !== 'default'
      const partitions = options.demo && !isAsked ? demoPartitions : options.partitions
      await up({ ...options, directory, partitions }, print)
      // Whatever still holds the event loop is of no more use: all is stopped and on the disk.
      process.exit(0)
    })
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
    // A command may have said already how it failed.
    process.exitCode ??= 1
  }
}
