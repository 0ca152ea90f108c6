/** From a command to an Ebb: the running one of the directory, or the directory opened for the command. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { EbbError } from '../base/errors.ts'
import { createLogger } from '../base/logger.ts'
import { type SystemCalls, systemCalls } from './calls.ts'
import { claimKind, kindOf, openingOf } from './kind.ts'
import { dropLock, isAnswered, readLock, takeLock } from './lock.ts'
import { openSystem, retentionMsDefault } from './system.ts'
import { openCaller } from './wire.ts'

export const dataDirectory = './data'
export const demoDirectory = './data-demo'
export const partitionsDefault = 4

export interface Connection {
  readonly calls: SystemCalls
  readonly directory: string
  close(): Promise<void>
}

async function isRunning(directory: string): Promise<boolean> {
  const lock = readLock(directory)
  return lock !== undefined && (await isAnswered(lock))
}

/** The directory as asked for; else ./data, or the demo's while only the demo runs. */
export async function chooseDirectory(asked: string | undefined): Promise<string> {
  if (asked !== undefined) return asked
  if (await isRunning(dataDirectory)) return dataDirectory
  return (await isRunning(demoDirectory)) ? demoDirectory : dataDirectory
}

/** `makes`: whether the command may begin a project where there is none. */
export async function connectTo(
  asked: string | undefined,
  options: { readonly makes: boolean; readonly partitions?: number },
): Promise<Connection> {
  const directory = await chooseDirectory(asked)
  if (asked === undefined && directory === demoDirectory)
    process.stderr.write(`This is about the demo that runs in ${demoDirectory}.\n`)
  const lock = readLock(directory)
  if (lock && (await isAnswered(lock))) {
    const caller = openCaller<SystemCalls>(lock.socket)
    return { calls: caller.calls, directory, close: async () => caller.close() }
  }
  if (!options.makes && !existsSync(join(directory, 'log')))
    throw new EbbError(
      'badInput',
      `There is no project in ${directory}; choose one with --data, or begin one: ebb up --no-demo.`,
    )
  const taken = await takeLock(directory)
  try {
    const kind = kindOf(directory) ?? 'default'
    claimKind(directory, kind)
    const { replay: _, ...opening } = await openingOf(directory, kind)
    const system = await openSystem({
      ...opening,
      directory,
      partitions: options.partitions ?? partitionsDefault,
      logger: createLogger(),
      retentionMs: retentionMsDefault,
      delivers: false,
    })
    return {
      calls: systemCalls(system),
      directory,
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
