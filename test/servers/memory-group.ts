/** A group of processes that Linux gives so much memory and no more; who needs more is killed. Needs root. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'

export interface MemoryGroup {
  limit(bytes: number): void
  /** Leaves the group with what it holds, or less: the next that is asked for is too much. */
  squeeze(): void
  /** What `start` starts, before it first waits, is in the group from its first moment. */
  within<Started>(start: () => Started): Started
  /** When all its processes are gone. */
  remove(): void
}

const oneMiB = 2 ** 20

/** Undefined where this user may not make one, or the system has none. */
export function memoryGroup(): MemoryGroup | undefined {
  const isFirstVersion = existsSync('/sys/fs/cgroup/memory')
  const root = isFirstVersion ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup'
  const [limitFile, usageFile] = isFirstVersion
    ? ['memory.limit_in_bytes', 'memory.usage_in_bytes']
    : ['memory.max', 'memory.current']
  const group = `${root}/ebb-${process.pid}`
  const limit = (bytes: number) => writeFileSync(`${group}/${limitFile}`, String(bytes))
  const enter = (path: string) => writeFileSync(`${path}/cgroup.procs`, String(process.pid))
  try {
    const [, home] = (isFirstVersion ? /^\d+:memory:(.*)$/m : /^0::(.*)$/m).exec(
      readFileSync('/proc/self/cgroup', 'utf8'),
    )!
    mkdirSync(group)
    return {
      limit,
      squeeze() {
        const heldBytes = Number(readFileSync(`${group}/${usageFile}`, 'utf8'))
        for (const bytes of [heldBytes - oneMiB, heldBytes])
          try {
            return limit(bytes)
          } catch {
            // The system could not take so much away: a little less.
          }
      },
      within(start) {
        enter(group)
        try {
          return start()
        } finally {
          enter(`${root}${home}`)
        }
      },
      remove: () => rmdirSync(group),
    }
  } catch (error) {
    console.error(`SKIPPED: No group with little memory: ${(error as Error).message}`)
    return undefined
  }
}
