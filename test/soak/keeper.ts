/**
 * A service that is kept up as its keeper on a real machine would: whatever ends is started again. Ends that nobody
 * asked for are noted. Memory and open files are read all the time, so that what died counts too.
 */
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { every, steadyClock } from '../../services/base/time.ts'
import { type Service, startService } from '../servers/services.ts'
import { higherOf, noPeak, type Peak, peakOf } from './bounds.ts'

const restartDelayMs = 500
const lookIntervalMs = 500
/** What a service that was told to stop may take. */
const stopMsMax = 10_000
const saidCharacters = 2_000

export interface Kept {
  readonly kind: string
  /** Resolves when it runs; after an end, when the next one does. */
  runs(): Promise<void>
  /** Resolves when the process that serves now is gone. */
  gone(): Promise<void>
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void
  /** SIGTERM, and another starts. Throws where the end was not in order, or took more than 10 s. */
  leave(): Promise<void>
  /** For good. Throws as `leave` does. */
  stop(): Promise<void>
  /** At once and for good. */
  end(): void
  /** The most that any of its processes had. */
  peak(): Peak
  /** Ends that nobody asked for, as sentences. */
  readonly faults: readonly string[]
  /** Starts that ended before the service ran, as servers did not answer. */
  readonly startsInVain: () => number
}

export function keep(args: readonly string[], cwd: string): Kept {
  const kind = args[0]!
  const faults: string[] = []
  let service = startService(args, cwd)
  let running = Promise.withResolvers<void>()
  let ended = Promise.withResolvers<void>()
  let isRunning = false
  let isAskedToEnd = false
  let isStopping = false
  let startsInVain = 0
  let peak = noPeak

  async function serve(): Promise<void> {
    for (;;) {
      const exited = once(service.child, 'exit')
      service.says(/runs/).then(
        () => {
          isRunning = true
          running.resolve()
        },
        () => startsInVain++,
      )
      const stopLooking = every(lookIntervalMs, () => look(service))
      const [code, signal] = await exited
      stopLooking()
      if (isRunning && !isAskedToEnd)
        faults.push(`a ${kind} ended by itself (${code ?? signal}): ${lastOf(service)}`)
      const wasEnded = ended
      ended = Promise.withResolvers()
      if (isRunning) running = Promise.withResolvers()
      wasEnded.resolve()
      if (isStopping) return
      isRunning = false
      isAskedToEnd = false
      await wait(restartDelayMs)
      service = startService(args, cwd)
    }
  }

  function look({ child }: Service): void {
    peak = higherOf(peak, peakOf(child.pid!))
  }

  async function leave(): Promise<void> {
    const leaving = service
    const isOver = ended.promise
    look(leaving)
    isAskedToEnd = true
    const fromMs = steadyClock()
    const status = await leaving.stop('SIGTERM')
    await isOver
    const tookMs = Math.round(steadyClock() - fromMs)
    if (status !== 0 || tookMs > stopMsMax)
      throw new Error(`a ${kind} took ${tookMs} ms to stop, status ${status}: ${lastOf(leaving)}`)
  }

  const serving = serve()
  const end = () => {
    isStopping = isAskedToEnd = true
    service.child.kill('SIGKILL')
  }
  return {
    kind,
    faults,
    startsInVain: () => startsInVain,
    peak: () => peak,
    runs: () => running.promise,
    gone: () => ended.promise,
    signal(signal) {
      look(service)
      if (signal === 'SIGKILL') isAskedToEnd = true
      service.child.kill(signal)
    },
    leave,
    end,
    async stop() {
      await running.promise
      isStopping = true
      await leave()
      await serving
    },
  }
}

function lastOf(service: Service): string {
  return service.output().slice(-saidCharacters).trim()
}
