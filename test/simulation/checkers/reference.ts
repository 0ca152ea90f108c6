/**
 * What should have come of the log as it stands at the end, in two ways that share nothing but the fold: the
 * processor's own loop over every record in one go, without a fault, and `ebb pipe` over a dump.
 */
import type { Log, LogRecord } from '../../../services/log/log.ts'
import { dumpPartition } from '../../../services/processor/dump.ts'
import { createState } from '../../../services/processor/fold/state.ts'
import { createFolded } from '../../../services/processor/folded.ts'
import { createPartition } from '../../../services/processor/partition.ts'
import { runPipe } from '../../../services/processor/pipe/run.ts'
import { directStore } from '../clickhouse/store-port.ts'
import { createTables, type Tables } from '../clickhouse/tables.ts'
import { createTopics, type Topics } from '../kafka/topics.ts'
import { alertsTopic, clicksTopic } from '../plan.ts'
import { epoch, project } from '../services.ts'
import { startMs } from '../virtual-time.ts'

export interface PipeSession {
  readonly id: string
  readonly userId: string
  readonly start: number
  readonly end: number
  readonly clicks: number
  readonly part: number
  readonly first: string
  readonly last: string
  readonly value: number
}

export interface PipeAlert {
  readonly id: string
  readonly message: string
  readonly rule: string
  readonly version: number
  readonly userId: string
  readonly status: string
  readonly since: number
  readonly due: number
  readonly threshold: number
  readonly covers: readonly number[]
  readonly reason?: string
}

export interface Reference {
  readonly tables: Tables
  readonly topics: Topics
  /** By partition: the lines of the dump. */
  readonly dumps: readonly string[][]
  readonly sessions: readonly PipeSession[]
  readonly alerts: readonly PipeAlert[]
  readonly counts: Readonly<Record<string, number>>
}

export const pipeArguments = ['--clock', 'log', '--no-flush', '--summary']

/** The log as it would be had retention taken nothing. */
function wholeLog(topics: Topics): Pick<Log, 'bounds' | 'read'> {
  const recordsOf = (topic: string, partition: number) => topics.at(topic, partition).records
  return {
    bounds: async (topic, partition) => ({
      startOffset: 0,
      endOffset: recordsOf(topic, partition).length,
    }),
    read: async (topic, partition, offset) => recordsOf(topic, partition).slice(offset),
  }
}

export async function referenceOf(topics: Topics): Promise<Reference> {
  const partitions = topics.count(clicksTopic)
  const tables = createTables()
  const alertTopics = createTopics(() => startMs)
  alertTopics.create(alertsTopic, partitions)
  const dumps: string[][] = []
  const sessions: PipeSession[] = []
  const alerts: PipeAlert[] = []
  const counts: Record<string, number> = { dead: 0 }
  for (let partition = 0; partition < partitions; partition++) {
    const { records } = topics.at(clicksTopic, partition)
    await foldWhole(records, partition, partitions, tables, alertTopics)
    const count = { lines: 0, dead: 0 }
    const lines: string[] = []
    const log = wholeLog(topics)
    for await (const line of dumpPartition(log, clicksTopic, partition, epoch, count))
      lines.push(line)
    dumps.push(lines)
    for (const text of runPipe(lines, pipeArguments)) {
      const { session, alert, summary } = JSON.parse(text)
      if (session) sessions.push(session)
      if (alert) alerts.push(alert)
      for (const kind of ['accepted', 'late', 'aside', 'duplicate', 'quarantined'])
        if (summary) counts[kind] = (counts[kind] ?? 0) + summary[kind]
    }
    counts.dead! += count.dead
  }
  return { tables, topics: alertTopics, dumps, sessions, alerts, counts }
}

async function foldWhole(
  records: readonly LogRecord[],
  partition: number,
  partitions: number,
  tables: Tables,
  alertTopics: Topics,
): Promise<void> {
  const append: Log['append'] = async (topic, at, added) => alertTopics.append(topic, at, added)
  const target = {
    log: { append } as Log,
    store: directStore(tables),
    topic: clicksTopic,
    alertsTopic,
    alertsPartitions: partitions,
    wallClock: () => startMs,
  }
  const place = { epoch, partition }
  const whole = createPartition({
    target,
    place,
    folded: createFolded(createState(project), 0, ''),
    steadyClock: () => 0,
    flushed() {},
    troubled(error) {
      throw error
    },
    stopping: new AbortController().signal,
  })
  await whole.take(records, { lost: false, async beat() {}, fail() {}, async commit() {} })
  await whole.finish()
}
