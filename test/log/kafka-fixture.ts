/** What the tests of the Kafka adapter share: logs, a raw client beside them, and a journal of what happens. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import kafkajs, { type Admin, type Producer } from 'kafkajs'
import { type Logger, pino } from 'pino'
import { type KafkaLog, openKafkaLog } from '../../services/log/kafka.ts'
import type { Lease, Log, LogRecord, Owner, TopicSettings } from '../../services/log/log.ts'
import { keepAll } from './fixture.ts'

/** Short, so that a death is noticed within a test, yet some heartbeats long: a busy machine is no death. */
export const sessionMsMax = 4_000

const silent = pino({ level: process.env.EBB_LOG_LEVEL ?? 'silent' }, pino.destination(2))

export async function newLog(
  context: TestContext,
  brokers: readonly string[],
  options: { readonly sessionMsMax?: number; readonly logger?: Logger } = {},
): Promise<KafkaLog> {
  const log = await openKafkaLog({ brokers, logger: silent, sessionMsMax, ...options })
  context.after(() => log.close())
  return log
}

let topics = 0

export async function newTopic(log: Log, settings: Partial<TopicSettings> = {}): Promise<string> {
  const topic = `kafka-${process.pid}-${topics++}`
  await log.ensure(topic, { ...keepAll, ...settings })
  return topic
}

/** kafkajs as it comes: another program on the same brokers. */
export function rawKafka(brokers: readonly string[]): InstanceType<typeof kafkajs.Kafka> {
  process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
  return new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
}

export async function withAdmin<T>(
  brokers: readonly string[],
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = rawKafka(brokers).admin()
  await admin.connect()
  return work(admin).finally(() => admin.disconnect())
}

export async function withProducer(
  brokers: readonly string[],
  settings: Parameters<InstanceType<typeof kafkajs.Kafka>['producer']>[0],
  work: (producer: Producer) => Promise<unknown>,
): Promise<void> {
  const producer = rawKafka(brokers).producer(settings)
  await producer.connect()
  await work(producer).finally(() => producer.disconnect())
}

/** What several owners did, in order, each entry a line like `a open 0` or `a records 0 5 8` (5 to 7). */
export interface Journal {
  readonly lines: readonly string[]
  write(line: string): void
  /** Resolves as soon as the condition holds; it is asked after each line. */
  until(condition: () => boolean): Promise<void>
  has(line: string): boolean
  /** The offset after the last record of this partition that anyone took. */
  next(partition: number): number
  /** The offsets that one owner took of one partition, in order. */
  offsets(name: string, partition: number): number[]
}

export function newJournal(): Journal {
  const lines: string[] = []
  let waiting: { condition: () => boolean; resolve: () => void }[] = []
  const taken = (filter: RegExp) =>
    lines.flatMap(line => {
      const match = filter.exec(line)
      return match ? [{ from: Number(match[1]), to: Number(match[2]) }] : []
    })
  return {
    lines,
    write(line) {
      lines.push(line)
      const met = waiting.filter(({ condition }) => condition())
      waiting = waiting.filter(entry => !met.includes(entry))
      for (const { resolve } of met) resolve()
    },
    until: condition =>
      condition()
        ? Promise.resolve()
        : new Promise(resolve => waiting.push({ condition, resolve })),
    has: line => lines.includes(line),
    next: partition =>
      Math.max(0, ...taken(new RegExp(`records ${partition} (\\d+) (\\d+)$`)).map(({ to }) => to)),
    offsets: (name, partition) =>
      taken(new RegExp(`^${name} records ${partition} (\\d+) (\\d+)$`)).flatMap(({ from, to }) =>
        Array.from({ length: to - from }, (_, index) => from + index),
      ),
  }
}

interface Behaviour {
  /** 0 unless given. */
  readonly open?: (partition: number) => number | Promise<number>
  readonly records?: (
    partition: number,
    lease: Lease,
    batch: readonly LogRecord[],
  ) => Promise<void> | void
  readonly close?: () => Promise<void>
}

/** Writes its happenings into the journal, each when it is done; refuses a gap. */
export function journalOwner(
  name: string,
  journal: Journal,
  { open = () => 0, records = () => {}, close = async () => {} }: Behaviour = {},
): Owner {
  const nextOffsets = new Map<number, number>()
  return {
    async open(partition) {
      const offset = await open(partition)
      nextOffsets.set(partition, offset)
      journal.write(`${name} open ${partition}`)
      return offset
    },
    async records(partition, batch, lease) {
      for (const { offset } of batch) {
        assert.equal(offset, nextOffsets.get(partition))
        nextOffsets.set(partition, offset + 1)
      }
      await records(partition, lease, batch)
      const { offset } = batch[0]!
      journal.write(`${name} records ${partition} ${offset} ${offset + batch.length}`)
    },
    async close(partition, lost) {
      await close()
      journal.write(`${name} close ${partition} ${lost ? 'lost' : 'in order'}`)
    },
    failed(partition, error) {
      const { code } = error as { code?: string }
      journal.write(`${name} failed ${partition} ${code ?? error.message}`)
    },
  }
}

/** Runs kafka-owner.ts; its lines go to the journal, behind `name`. */
export function childOwner(
  context: TestContext,
  journal: Journal,
  name: string,
  options: { brokers: readonly string[]; topic: string; group: string },
): ChildProcess {
  const script = join(import.meta.dirname, 'kafka-owner.ts')
  const { brokers, topic, group } = options
  const values = [brokers.join(','), topic, group, String(sessionMsMax)]
  const child = spawn(process.execPath, [script, ...values], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout! })
  lines.on('line', line => journal.write(`${name} ${line}`))
  context.after(() => child.kill('SIGKILL'))
  return child
}

export function from(first: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index)
}
