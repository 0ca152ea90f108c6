/** The options that name servers: those of the services, and of commands about a project on servers. */
import { type Command, Option } from 'commander'
import { EbbError } from '../base/errors.ts'
import type { ServerOptions } from './servers.ts'

const kafkaDefault = '127.0.0.1:9092'
const clickhouseDefault = 'http://127.0.0.1:8123'

export interface ServerFlags {
  readonly kafka?: string
  readonly clickhouse?: string
  readonly clickhouseUser: string
  readonly clickhousePassword: string
  readonly project: string
  readonly partitions: number
}

/** `needed`: the command is about servers in any case; else only when one of the two addresses is given. */
export function addServerOptions(command: Command, needed: boolean): Command {
  // Defaults are given at once: the command reads them when it takes the option.
  const option = (flag: string, text: string, variable: string, otherwise?: string) => {
    const made = new Option(flag, text).env(variable)
    command.addOption(otherwise === undefined ? made : made.default(otherwise))
  }
  const address = (otherwise: string) => (needed ? otherwise : undefined)
  option('--kafka <brokers>', 'host:port, several with commas', 'EBB_KAFKA', address(kafkaDefault))
  option('--clickhouse <url>', 'HTTP interface', 'EBB_CLICKHOUSE', address(clickhouseDefault))
  option('--clickhouse-user <name>', 'who may write', 'EBB_CLICKHOUSE_USER', 'default')
  option('--clickhouse-password <text>', 'better in the variable', 'EBB_CLICKHOUSE_PASSWORD', '')
  option('--project <name>', 'topic prefix and database', 'EBB_PROJECT', 'default')
  return command
}

/**
 * Whether a command is about servers: an address is given, and no directory, or one by a variable only, which
 * an address on the command line outweighs as a directory there outweighs an address in a variable.
 */
export function isAboutServers(command: Command): boolean {
  const sources = (names: readonly string[]) =>
    names.map(name => command.getOptionValueSourceWithGlobals(name))
  const servers = sources(['kafka', 'clickhouse'])
  const [directory] = sources(['data'])
  if (servers.includes('cli') && directory === 'cli')
    throw new EbbError(
      'badInput',
      '--data is a project in one process; --kafka and --clickhouse are servers: give one of them.',
    )
  if (servers.includes('cli')) return true
  return servers.includes('env') && directory !== 'cli'
}

/** Where secret.key lies, for services and commands that open secrets. */
export function keysOption(): Option {
  return new Option('--keys <directory>', 'where secret.key lies').env('EBB_KEYS').default('./data')
}

/** One address that is left out is the usual one. */
export function serversOf(flags: ServerFlags): ServerOptions {
  const { kafka = kafkaDefault, clickhouse = clickhouseDefault } = flags
  const { clickhouseUser, clickhousePassword, project, partitions } = flags
  return {
    kafka: parseBrokers(kafka),
    clickhouse: checkUrl(clickhouse),
    ...{ clickhouseUser, clickhousePassword, project, partitions },
  }
}

function checkUrl(text: string): string {
  const scheme = URL.canParse(text) ? new URL(text).protocol : ''
  if (scheme === 'http:' || scheme === 'https:') return text
  throw new EbbError(
    'badInput',
    `${text} is no address of ClickHouse's HTTP interface: give it whole, as in ${clickhouseDefault}.`,
  )
}

/** The addresses of brokers from `host:port,host:port`. */
function parseBrokers(text: string): string[] {
  const brokers = text.split(',').map(broker => broker.trim())
  for (const broker of brokers)
    if (!/^[^\s:]+:\d{1,5}$/.test(broker))
      throw new EbbError('badInput', `${broker} is no broker: give host:port, several with commas.`)
  return brokers
}
