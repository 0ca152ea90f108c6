/** Commands about a project, in one process or on servers: what each takes, and what it prints. */
import { type Command, Option } from 'commander'
import { differencesOf, showAudit } from '../audit/show.ts'
import { EbbError } from '../base/errors.ts'
import { wallClock } from '../base/time.ts'
import { addFileOptions, addImportCommand } from '../collector/import/command.ts'
import type { MappingOptions } from '../collector/import/mapping.ts'
import { type Check, showChecks, statusOf } from '../doctor/check.ts'
import { examineServers } from '../doctor/doctor.ts'
import { readText, testRules } from './backtest.ts'
import type { ProjectCalls } from './calls.ts'
import { connectTo, type Whereabouts } from './connect.ts'
import { dumpCommand } from './dump.ts'
import { openImportTarget } from './import.ts'
import { rebuildProject } from './rebuild.ts'
import {
  addServerOptions,
  isAboutServers,
  keysOption,
  type ServerFlags,
  serversOf,
} from './server-options.ts'
import { showRules, showUser, table } from './show.ts'

type Print = (text: string) => void

const partitionsMax = 4096

function powerOfTwo(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count > 0 && count <= partitionsMax && (count & (count - 1)) === 0)
    return count
  throw new EbbError(
    'badInput',
    `${text} is no number of partitions: 2, 4, 8, ... ${partitionsMax}.`,
  )
}

/** `partition` reads the number of one. */
export function addProjectCommands(
  program: Command,
  partition: (text: string) => number,
  print: Print,
): void {
  addImport(program)
  addRules(program, print)
  addEndpoints(program, print)
  addLooking(program, print)
  addLog(program, partition, print)
  addDoctor(program, print)
}

function whereabouts(command: Command): Whereabouts {
  const flags = command.optsWithGlobals<ServerFlags & { data?: string; keys?: string }>()
  const { data, partitions, keys = '.' } = flags
  const servers = isAboutServers(command) ? serversOf(flags) : undefined
  return { data, servers, keyDirectory: keys, partitions }
}

/** Runs `work` on the calls of the project, and lets go of it whatever happens. */
async function withCalls(
  command: Command,
  makes: boolean,
  work: (calls: ProjectCalls) => Promise<void>,
): Promise<void> {
  const connection = await connectTo(whereabouts(command), { makes })
  try {
    await work(connection.calls)
  } finally {
    await connection.close()
  }
}

function subcommand(parent: Command, name: string, description: string): Command {
  return addServerOptions(parent.command(name), false).description(description)
}

const surroundings = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  nowMs: wallClock,
}

function addImport(program: Command): void {
  const connect = async (command: Command) => {
    const { calls, close } = await connectTo(whereabouts(command), { makes: true })
    return openImportTarget(calls, close)
  }
  const command = addImportCommand(program, connect, surroundings)
  addServerOptions(command, false)
}

function addRules(program: Command, print: Print): void {
  const rules = program.command('rules').description('alert rules: apply, list, remove, test')
  subcommand(
    rules,
    'apply <file>',
    'add or change the rules of a file: JSON, one rule, an array, or one a line; - is standard input',
  ).action(async (file: string, _options: unknown, command: Command) =>
    withCalls(command, true, async calls => {
      for (const { id, changed } of await calls.applyRules({ text: await readText(file) }))
        print(`${id}: ${changed ? 'applied' : 'is so already'}`)
    }),
  )
  subcommand(rules, 'list', 'the rules in force, one a line').action(
    async (_options: unknown, command: Command) =>
      withCalls(command, false, async calls => print(showRules(await calls.listRules()))),
  )
  subcommand(
    rules,
    'remove <id>',
    'end a rule; its running silences are recorded as cancelled',
  ).action(async (id: string, _options: unknown, command: Command) =>
    withCalls(command, false, async calls => {
      await calls.removeRule({ id })
      print(`${id}: removed`)
    }),
  )
  subcommand(
    rules,
    'test <file>',
    'whom the rules would have caught in history; changes nothing',
  ).action(async (file: string, _options: unknown, command: Command) =>
    withCalls(command, false, calls => testRules(calls, file, print)),
  )
}

function addEndpoints(program: Command, print: Print): void {
  const endpoints = program.command('endpoints').description('where alerts go: add, list, remove')
  subcommand(endpoints, 'add <url>', 'send alerts there; prints the signing secret, once')
    .addOption(keysOption())
    .action(async (url: string, _options: unknown, command: Command) =>
      withCalls(command, true, async calls => {
        const { id, secret } = await calls.addEndpoint({ url })
        print(`${id}: ${url}\n\nsigning secret, shown this once: ${secret}`)
      }),
    )
  subcommand(endpoints, 'list', 'where alerts go, one a line').action(
    async (_options: unknown, command: Command) =>
      withCalls(command, false, async calls => {
        const rows = (await calls.listEndpoints()).map(({ id, url, disabled }) => ({
          id,
          url,
          state: disabled ? 'disabled' : 'enabled',
        }))
        print(table(rows) || 'There are no endpoints yet: ebb endpoints add URL')
      }),
  )
  subcommand(endpoints, 'remove <id>', 'send nothing more there').action(
    async (id: string, _options: unknown, command: Command) =>
      withCalls(command, false, async calls => {
        await calls.removeEndpoint({ id })
        print(`${id}: removed`)
      }),
  )
}

function addLooking(program: Command, print: Print): void {
  subcommand(
    program,
    'user <id>',
    'explain one user: sessions, signals, armed timers, why there is no alert',
  )
    .option('--json', 'as JSON, times in epoch ms')
    .action(async (userId: string, options: { json?: true }, command: Command) =>
      withCalls(command, false, async calls => {
        const user = await calls.explain({ userId })
        print(options.json ? JSON.stringify(user) : showUser(user))
        if (!user.signals) process.exitCode = 1
      }),
    )
  subcommand(
    program,
    'audit',
    'compare the tables with the clicks, while clicks go on; status 1 when they differ',
  ).action(async (_options: unknown, command: Command) =>
    withCalls(command, false, async calls => {
      const audit = await calls.audit()
      print(showAudit(audit))
      if (differencesOf(audit) > 0) process.exitCode = 1
    }),
  )
  subcommand(
    program,
    'erase <user>',
    'forget a user: all rows about him, and what is still to be sent; there is no way back',
  ).action(async (userId: string, _options: unknown, command: Command) =>
    withCalls(command, false, async calls => {
      const { webhooksKnow } = await calls.erase({ userId })
      print(`${userId}: erased; his records stay on the log for its retention, and count no more.`)
      if (!webhooksKnow)
        print('No webhooks run: they forget what they had for him when they start next.')
    }),
  )
  subcommand(
    program,
    'grow <partitions>',
    'go on in a new topic with more partitions: a power of two; collectors and processors may run on servers',
  ).action(async (partitions: string, _options: unknown, command: Command) => {
    const wanted = powerOfTwo(partitions)
    await withCalls(command, false, calls => calls.grow({ partitions: wanted }))
    // In one process the first opening after it drains the old partitions.
    await withCalls(command, false, async calls => {
      const facts = await calls.facts()
      print(`The project has ${facts.partitions} partitions, in epoch ${facts.epoch}.`)
    })
  })
  addRebuild(program, print)
  subcommand(
    program,
    'live',
    'end imports: from here on time is the real one; there is no way back',
  ).action(async (_options: unknown, command: Command) =>
    withCalls(command, false, async calls => {
      await calls.live()
      print('The project is live.')
    }),
  )
}

function addRebuild(program: Command, print: Print): void {
  const command = subcommand(
    program,
    'rebuild [file...]',
    'make the project anew from its clicks, and files of history as ebb import takes them; collectors and processors may run on servers',
  )
  addFileOptions(command).action(async (files: string[], _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<MappingOptions>()
    await withCalls(command, false, calls => rebuildProject(calls, files, options, surroundings))
    await withCalls(command, false, async calls => {
      const { epoch } = await calls.facts()
      print(`The project is rebuilt, and in epoch ${epoch}.`)
    })
  })
}

function addLog(program: Command, partition: (text: string) => number, print: Print): void {
  const log = program
    .command('log')
    .description('look at the log, or begin behind what is gone of it')
  subcommand(log, 'dump', 'a partition as lines for `ebb pipe --clock log`')
    .addOption(
      new Option('--partition <number>', 'which one; needed where there are several').argParser(
        partition,
      ),
    )
    .action(async (options: { partition?: number }, command: Command) =>
      withCalls(command, false, calls => dumpCommand(calls, options.partition)),
    )
  subcommand(
    log,
    'begin',
    'take for lost what is gone of partitions of which the tables hold nothing; there is no way back',
  ).action(async (_options: unknown, command: Command) => {
    const { close } = await connectTo(whereabouts(command), { makes: false, acceptsLoss: true })
    await close()
    print('Every partition begins with the first record that is there, or goes on where it was.')
  })
}

function addDoctor(program: Command, print: Print): void {
  subcommand(
    program,
    'doctor',
    'look at Kafka, ClickHouse, partitions, changes, deliveries, clocks and disks, and say what is wrong',
  ).action(async (_options: unknown, command: Command) => {
    // What is found wrong is status 1; a project that cannot even be found is 2.
    const checks = await examine(command).catch(error => {
      process.exitCode = 2
      throw error
    })
    print(showChecks(checks))
    process.exitCode = statusOf(checks)
  })
}

async function examine(command: Command): Promise<readonly Check[]> {
  const { servers } = whereabouts(command)
  if (servers) return examineServers(servers)
  let checks: readonly Check[] = []
  await withCalls(command, false, async calls => {
    checks = await calls.examine()
  })
  return checks
}
