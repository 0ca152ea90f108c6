/** From a command to a project: on servers; the running Ebb of a directory; or the directory, opened for it. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EbbError } from '../base/errors.ts'
import { createSpokenLogger } from '../base/logger.ts'
import { type ProjectCalls, projectCalls } from './calls.ts'
import { claimKind, kindOf, openingOf } from './kind.ts'
import { dropLock, isAnswered, readLock, takeLock } from './lock.ts'
import type { ServerOptions } from './servers.ts'
import { openSystem, retentionMsDefault } from './system.ts'
import { openCaller } from './wire.ts'

export const dataDirectory = './data'
export const demoDirectory = './data-demo'
export const partitionsDefault = 4

export interface Connection {
  readonly calls: ProjectCalls
  close(): Promise<void>
}

/** Where the project is. */
export interface Whereabouts {
  /** Its directory; undefined: the usual one. */
  readonly data: string | undefined
  /** Undefined: it is in one process. */
  readonly servers: ServerOptions | undefined
  readonly keyDirectory: string
  /** Of a new project. */
  readonly partitions: number
}

function tell(sentence: string): void {
  process.stderr.write(`${sentence}\n`)
}

async function isRunning(directory: string): Promise<boolean> {
  const lock = readLock(directory)
  return lock !== undefined && (await isAnswered(lock))
}

/** The directory as asked for; else ./data, or the demo's while only the demo runs. */
async function chooseDirectory(asked: string | undefined): Promise<string> {
  if (asked !== undefined) return asked
  if (await isRunning(dataDirectory)) return dataDirectory
  return (await isRunning(demoDirectory)) ? demoDirectory : dataDirectory
}

/** What a command may do as it comes. */
export interface Entry {
  /** Begin a project where there is none. */
  readonly makes: boolean
  /** Take records for lost that are gone, and of which nothing was folded. */
  readonly acceptsLoss?: boolean
}

export async function connectTo(where: Whereabouts, entry: Entry): Promise<Connection> {
  if (where.servers) return connectToServers(where, where.servers, entry)
  const { data: asked } = where
  const directory = await chooseDirectory(asked)
  if (asked === undefined && directory === demoDirectory)
    tell(`This is about the demo that runs in ${demoDirectory}.`)
  const lock = readLock(directory)
  if (lock && (await isAnswered(lock))) {
    const caller = openCaller<ProjectCalls>(lock.socket)
    return { calls: caller.calls, close: async () => caller.close() }
  }
  if (!entry.makes && !existsSync(join(directory, 'log')))
    throw new EbbError(
      'badInput',
      `There is no project in ${directory}; choose one with --data, or begin one: ebb up --no-demo.`,
    )
  return openDirectory(directory, where.partitions, entry)
}

async function connectToServers(
  where: Whereabouts,
  servers: ServerOptions,
  entry: Entry,
): Promise<Connection> {
  const { openServerProject } = await import('./server-project.ts')
  const { keyDirectory } = where
  const { project, close } = await openServerProject({
    ...servers,
    ...{ ...entry, keyDirectory, directory: join(tmpdir(), 'ebb'), tell },
  })
  return { calls: projectCalls(project), close }
}

async function openDirectory(
  directory: string,
  partitions: number,
  { acceptsLoss }: Entry,
): Promise<Connection> {
  const taken = await takeLock(directory)
  try {
    const kind = kindOf(directory) ?? 'default'
    claimKind(directory, kind)
    const { replay: _, ...opening } = await openingOf(directory, kind)
    const system = await openSystem({
      ...opening,
      directory,
      partitions,
      logger: createSpokenLogger(tell),
      retentionMs: retentionMsDefault,
      delivers: false,
      acceptsLoss,
      tell,
    })
    return {
      calls: projectCalls(system),
      async close() {
        await system.stop()
        dropLock(directory, taken)
      },
    }
  } catch (error) {
    dropLock(directory, taken)
    throw error
  }
}
