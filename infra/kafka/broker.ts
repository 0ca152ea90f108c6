/** Brokers for tests: those of $KAFKA where it is set, else `run` beside this file. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'

/** What a broker logs when it answers. */
const ready = 'Kafka Server started'
const watchIntervalMs = 50

export interface Brokers {
  readonly addresses: readonly string[]
  /** Of one that was started here: to be stopped, halted or killed; by number. */
  pid(broker: number): number
  /** Resolves when another process than `pid` runs this broker, and answers. */
  restarted(broker: number, pid: number): Promise<void>
  stop(): Promise<void>
}

/**
 * Why there are none is a sentence; with CI set it is an error instead: there, no test is left out.
 * `own` are needed by who stops or halts them, so $KAFKA does not do.
 */
export async function brokersForTest(
  count: 1 | 3,
  { own }: { own: boolean },
): Promise<Brokers | string> {
  const { CI, KAFKA } = process.env
  if (KAFKA && !own) return foreign(KAFKA.split(','))
  // Here testcontainers will come first, where Docker has Kafka's image.
  try {
    return await startBrokers(count)
  } catch (error) {
    const reason = `No Kafka to test with: ${(error as Error).message}`
    if (CI) throw new Error(reason, { cause: error })
    console.error(`SKIPPED: ${reason}`)
    return reason
  }
}

function foreign(addresses: readonly string[]): Brokers {
  const notOurs = () => {
    throw new Error('The brokers of $KAFKA are not ours to stop.')
  }
  return { addresses, pid: notOurs, restarted: async () => notOurs(), stop: async () => {} }
}

/** Starts `run`, which may have to get Kafka first; rejects with the last it said. */
export async function startBrokers(count: 1 | 3): Promise<Brokers> {
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
  return {
    addresses: String(line.value).split(','),
    pid,
    async restarted(broker, before) {
      const started = () => readFileSync(join(directory, `${broker}.log`), 'utf8').includes(ready)
      while (pid(broker) === before || !started()) await wait(watchIntervalMs)
    },
    stop,
  }
}

/** The first of so many ports in a row that nobody listens on; below those that systems give away by themselves. */
async function freePorts(count: number): Promise<number> {
  for (let first = 20_000 + ((process.pid * 8) % 10_000); ; first += count) {
    const free = await Promise.all(
      Array.from({ length: count }, (_, index) => isFree(first + index)),
    )
    if (!free.includes(false)) return first
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listening = new Promise<boolean>(resolve => {
    server.once('listening', () => resolve(true)).once('error', () => resolve(false))
  })
  server.listen(port, '127.0.0.1')
  const free = await listening
  if (free) await new Promise(resolve => server.close(resolve))
  return free
}
