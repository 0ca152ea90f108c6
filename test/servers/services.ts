/** Services of Ebb in processes of their own, on real servers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const door = new URL('../../services/ebb.cjs', import.meta.url).pathname

export interface Service {
  readonly child: ChildProcess
  output(): string
  says(pattern: RegExp): Promise<void>
  /** Resolves to the exit code; null after SIGKILL. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
}

export function startService(args: readonly string[], cwd: string): Service {
  const child = spawn(process.execPath, [door, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', chunk => {
      output += chunk
      for (const look of waiting) look()
    })
  const exited = once(child, 'exit')
  return {
    child,
    output: () => output,
    says: pattern =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (!pattern.test(output)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
        exited.then(([code, signal]) =>
          reject(new Error(`${args[0]} ended (${code ?? signal}) without ${pattern}:\n${output}`)),
        )
      }),
    async stop(signal) {
      child.kill(signal)
      const [code] = await exited
      return code as number | null
    },
  }
}
