/** Brokers of the jars that Maven brings, each a process of this machine: `run` beside this file. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import type { Brokers } from './broker.ts'
import { freePorts } from './ports.ts'

/** What a broker logs when it answers. */
const ready = 'Kafka Server started'
const watchIntervalMs = 50

/** Starts `run`, which may have to get Kafka first; rejects with the last it said. */
export async function startOnMaven(count: 1 | 3): Promise<Brokers> {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-kafka-'))
  const port = await freePorts(2 * count)
  const options = [String(count), '--port', String(port), '--directory', directory]
  const child = spawn(join(import.meta.dirname, 'run'), options, {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  let said = ''
  child.stderr.on('data', text => {
    said = (said + text).slice(-2000)
  })
  const stop = async () => {
    child.stdin.end()
    await exited
    rmSync(directory, { recursive: true, force: true })
  }
  const firstLine = createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  const line = await Promise.race([firstLine, exited.then(() => undefined)])
  if (!line?.value) {
    await stop()
    throw new Error(said.trim().split('\n').at(-1) || 'infra/kafka/run ended without a word.')
  }
  const pid = (broker: number) => Number(readFileSync(join(directory, `${broker}.pid`), 'utf8'))
  /** By broker: the process that got the latest signal. */
  const signalled = new Map<number, number>()
  return {
    addresses: String(line.value).split(','),
    async signal(broker, signal) {
      signalled.set(broker, pid(broker))
      process.kill(pid(broker), signal)
      while (signal === 'SIGSTOP' && !isStopped(pid(broker))) await wait(1)
    },
    async restarted(broker) {
      const started = () => readFileSync(join(directory, `${broker}.log`), 'utf8').includes(ready)
      while (pid(broker) === signalled.get(broker) || !started()) await wait(watchIntervalMs)
    },
    stop,
  }
}

/** A signal is on its way when it was sent. True where the system does not say. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) return true
  const states = readdirSync(tasks).map(task => readFileSync(join(tasks, task, 'stat'), 'utf8'))
  return states.every(stat => /^ T/.test(stat.slice(stat.lastIndexOf(')') + 1)))
}
