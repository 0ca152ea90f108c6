/** The real executable in processes of their own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePorts } from '../../infra/kafka/ports.ts'

export const door = new URL('../../services/ebb.cjs', import.meta.url).pathname

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command to its end. */
export function ebb(
  args: readonly string[],
  cwd: string,
  input = '',
  variables: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const options = { cwd, env: { ...process.env, ...variables } }
  return new Promise(resolve => {
    const child = execFile(process.execPath, [door, ...args], options, (error, stdout, stderr) => {
      resolve({
        status: typeof error?.code === 'number' ? error.code : error ? 1 : 0,
        stdout,
        stderr,
      })
    })
    child.stdin!.end(input)
  })
}

/** Where this process looks next; brokers have their ports above. */
let nextPort = 10_000 + ((process.pid * 16) % 9_000)

export async function freePort(): Promise<number> {
  const port = await freePorts(1, nextPort)
  nextPort = port + 1
  return port
}

export interface Up {
  readonly child: ChildProcess
  readonly collector: string
  readonly page: string
  readonly sql: string
  readonly health: string
  /** All that was printed so far. */
  output(): string
  /** Resolves when a line of the output matches. */
  says(pattern: RegExp): Promise<void>
  /** Sends the signal and resolves to the exit code; null after SIGKILL. */
  stop(signal: 'SIGINT' | 'SIGKILL'): Promise<number | null>
}

/** `ebb up` with the arguments, on ports of its own; resolves when it says that it runs. */
export async function startUp(cwd: string, ...args: string[]): Promise<Up> {
  const [page, collector, sql, receiver] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  const ports = ['--port', `${page}`, '--collector-port', `${collector}`, '--sql-port', `${sql}`]
  const others = ['--receiver-port', `${receiver}`, '--health-port', '0']
  const all = [door, 'up', ...args, ...ports, ...others]
  const child = spawn(process.execPath, all, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', chunk => {
      output += chunk
      for (const look of waiting) look()
    })
  const exited = once(child, 'exit')
  const says = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(output)) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
      exited.then(() => reject(new Error(`ebb ended without ${pattern}:\n${output}`)))
    })
  await says(/Ctrl-C/)
  return {
    child,
    page: `http://127.0.0.1:${page}`,
    collector: `http://127.0.0.1:${collector}`,
    sql: `http://127.0.0.1:${sql}`,
    health: /health +(http:\S+)\/readyz/.exec(output)![1]!,
    output: () => output,
    says,
    async stop(signal) {
      child.kill(signal)
      const [code] = await exited
      return code as number | null
    },
  }
}
