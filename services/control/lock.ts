/**
 * One process per data directory. The lock file names the process and the local socket on which it answers
 * commands; a lock whose socket nobody answers was left behind by a crash and is taken over.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { EbbError } from '../base/errors.ts'

export interface Lock {
  readonly pid: number
  readonly socket: string
}

/** The paths of Unix sockets are short by law: a long one moves to the folder for temporary files. */
const socketPathMax = 100

function lockFile(directory: string): string {
  return join(directory, 'ebb.lock')
}

function socketPath(directory: string): string {
  const path = resolve(directory, 'ebb.sock')
  if (path.length <= socketPathMax) return path
  const name = createHash('sha256').update(path).digest('hex').slice(0, 16)
  return join(tmpdir(), `ebb-${userInfo().uid}-${name}.sock`)
}

/** The lock of the directory as it stands; undefined without one. */
export function readLock(directory: string): Lock | undefined {
  try {
    return JSON.parse(readFileSync(lockFile(directory), 'utf8')) as Lock
  } catch {
    // No file, or one that a crash left half written: no lock.
    return undefined
  }
}

/** Whether somebody answers on the lock's socket. */
export function isAnswered(lock: Lock): Promise<boolean> {
  return new Promise(answer => {
    const socket = connect(lock.socket)
    socket.once('connect', () => {
      socket.destroy()
      answer(true)
    })
    socket.once('error', () => answer(false))
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Takes the directory, made if it is missing; throws `directoryLocked` while another Ebb has it, and
 * `directoryUnusable` where it cannot be made or written.
 */
export async function takeLock(directory: string): Promise<Lock> {
  try {
    mkdirSync(directory, { recursive: true })
    return await take(directory)
  } catch (error) {
    if (error instanceof EbbError) throw error
    throw new EbbError(
      'directoryUnusable',
      `The directory ${directory} cannot be used: ${(error as Error).message}.`,
    )
  }
}

async function take(directory: string): Promise<Lock> {
  const mine: Lock = { pid: process.pid, socket: socketPath(directory) }
  for (;;) {
    try {
      writeFileSync(lockFile(directory), JSON.stringify(mine), { flag: 'wx', mode: 0o600 })
      rmSync(mine.socket, { force: true })
      return mine
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const held = readLock(directory)
    // Between its two steps a starting Ebb has the lock and no socket yet: then its process tells.
    if (held && (await isAnswered(held)))
      throw new EbbError(
        'directoryLocked',
        `The directory ${directory} is in use by another Ebb (process ${held.pid}).`,
      )
    if (held && held.pid !== process.pid && isAlive(held.pid) && isEbb(held.pid))
      throw new EbbError(
        'directoryLocked',
        `The directory ${directory} is in use by another Ebb (process ${held.pid}), which is starting or stopping.`,
      )
    rmSync(lockFile(directory), { force: true })
  }
}

/** Whether the process looks like Ebb: after a crash its number may belong to anything. */
function isEbb(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('ebb')
  } catch {
    // No /proc here, as on a mac: the number alone must do.
    return true
  }
}

export function dropLock(directory: string, lock: Lock): void {
  rmSync(lock.socket, { force: true })
  rmSync(lockFile(directory), { force: true })
}
