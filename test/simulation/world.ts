/** One simulation from its seed to its end: builds the parts, lets time run, and hands over what it left. */
import type { Logger } from 'pino'
import { EbbError } from '../../services/base/errors.ts'
import { type Calls, createCalls, SimulatedBug } from './calls.ts'
import { chanceOf } from './chance.ts'
import { answerQuery, openDeliveriesSql, risen } from './clickhouse/queries.ts'
import { directStore, openStorePort } from './clickhouse/store-port.ts'
import { createTables, type Row, type Tables } from './clickhouse/tables.ts'
import { createClients } from './clients.ts'
import { secretKey } from './endpoints.ts'
import type { Evidence, Failure, LogLine } from './evidence.ts'
import { fatesOf } from './fates.ts'
import { applyFaults } from './faults.ts'
import { type Coordinator, createCoordinator } from './kafka/coordinator.ts'
import { type Acknowledged, openLogPort } from './kafka/log-port.ts'
import { createTopics, type Topics } from './kafka/topics.ts'
import { createOperators } from './operators.ts'
import { alertsTopic, clicksTopic, type Plan, servicesOf } from './plan.ts'
import { createReceivers } from './receivers.ts'
import { createScheduler, type Life } from './scheduler.ts'
import { createSupervisor } from './supervisor.ts'
import { startMs, useVirtualTime } from './virtual-time.ts'

export interface Run {
  readonly evidence: Evidence
  readonly trace: string
  readonly checkpoints: number
}

/** After clients and faults are through, silences have so long to be told. */
const calmMs = 14_000
/** And then all has to be in the tables and out of the door within this. */
const settleMsMax = 60_000
const lookMs = 250

export async function simulate(
  plan: Plan,
  /** Is told every line of the trace. */
  tell?: (line: string) => void,
): Promise<Run> {
  const chance = (name: string) => chanceOf(plan.seed, name)
  const scheduler = createScheduler(chance('order'), tell)
  const endVirtualTime = useVirtualTime(scheduler, chance('services'))
  const topics = createTopics(() => startMs + Math.floor(scheduler.nowMs()))
  const tables = createTables()
  const evidence = collect(tables, scheduler.nowMs)
  const calls: Calls = createCalls({
    scheduler,
    chance: chance('calls'),
    crashes: plan.crashes,
    deaths: plan.deaths,
    bugs: plan.faults.filter(fault => fault.kind === 'bug'),
    breaks: life => {
      scheduler.note(`a bug strikes ${life.name}`)
      if (life.name.startsWith('webhooks')) evidence.disturbances++
    },
    die: life => {
      if (life.name.startsWith('webhooks')) evidence.disturbances++
      supervisor.dies(life)
    },
  })
  const fates = fatesOf(plan, chance('fates'), scheduler.nowMs)
  const receivers = createReceivers({ scheduler, calls, fates, chance: chance('receivers') })
  const groups = new Map<string, Coordinator>()
  const logWorld = {
    scheduler,
    calls,
    chance: chance('log'),
    topics,
    fates,
    leadersMove: plan.faults.some(({ kind }) => kind === 'move'),
    acknowledged: (append: Acknowledged) => void evidence.acknowledged.push(append),
    coordinator(topic: string, group: string) {
      const coordinator = groups.get(topic + group) ?? createCoordinator(scheduler, group)
      groups.set(topic + group, coordinator)
      return coordinator
    },
  }
  const fail = (life: Life, partition: number | null, error: unknown) => {
    scheduler.note(`${life.name} fails ${partition}: ${error}`)
    evidence.failures.push({ atMs: scheduler.nowMs(), by: life.name, partition, error })
  }
  let ids = 0
  const supervisor = createSupervisor({
    scheduler,
    chance: chance('supervisor'),
    ended: (life, error) => fail(life, null, error),
    setting: (life, again) => {
      const logger = loggerOf(life, evidence.logs)
      return {
        log: openLogPort(logWorld, life, logger),
        store: openStorePort({ calls, tables, fates }, life),
        logger,
        partitions: plan.partitions,
        key: secretKey,
        wire: receivers.wireOf(life),
        newId: () => `made-${++ids}`,
        failed(partition, error) {
          // It is opened anew by itself.
          if (error instanceof SimulatedBug) return
          const leaving = supervisor.processes.some(one => one.life === life && one.leaving)
          // Who leaves does not wait for what does not answer: his partition is another's soon.
          if (leaving && error instanceof EbbError && error.retriable) return
          fail(life, partition, error)
          again()
        },
        opened(partition, nextOffset) {
          const stored = storedOffset(tables, partition)
          evidence.opened.push({ partition, nextOffset, storedOffset: stored })
        },
      }
    },
  })
  const clients = createClients({ plan, scheduler, chance: chance('clients'), fates, supervisor })
  const store = directStore(tables)
  const operators = createOperators({ plan, scheduler, chance: chance('operators'), store, topics })

  for (const topic of [clicksTopic, alertsTopic]) topics.create(topic, plan.partitions)
  const unhandled = (error: unknown) => {
    const life = scheduler.current()
    if (life) fail(life, null, error)
  }
  process.on('unhandledRejection', unhandled)
  try {
    await operators.prepare()
    for (const service of servicesOf(plan)) supervisor.start(service)
    operators.begin()
    clients.begin()
    const { received } = receivers
    applyFaults({ plan, scheduler, supervisor, topics, tables, evidence, received })
    let over = false
    const settledOf = () => unsettled(topics, tables)
    const look = () => {
      const calm = scheduler.nowMs() > plan.activeMs + calmMs && clients.open() === 0
      if (calm && !evidence.calmAtMs) {
        evidence.calmAtMs = scheduler.nowMs()
        for (const process of [...supervisor.processes])
          if (process.service.startsWith('collector')) supervisor.leave(process, () => {})
      }
      evidence.unsettled = evidence.calmAtMs ? settledOf() : 'clients wait for answers'
      evidence.settled = evidence.unsettled === ''
      const late = scheduler.nowMs() > plan.activeMs + calmMs + settleMsMax
      over = evidence.settled || late
      scheduler.plan(lookMs, null, 'look', look)
    }
    look()
    await scheduler.run(() => over)
  } finally {
    process.off('unhandledRejection', unhandled)
    endVirtualTime()
  }
  return {
    evidence: {
      ...evidence,
      plan,
      topics,
      tables,
      journal: clients.journal,
      answers: clients.answers,
      received: receivers.received,
      posts: receivers.posts,
    },
    trace: scheduler.trace(),
    checkpoints: calls.count(),
  }
}

function collect(tables: Tables, nowMs: () => number) {
  const evidence = {
    inserts: [] as { atMs: number; table: string; rows: readonly Row[] }[],
    opened: [] as Evidence['opened'][number][],
    acknowledged: [] as Acknowledged[],
    logs: [] as LogLine[],
    failures: [] as Failure[],
    disturbances: 0,
    excusedRepeats: 0,
    settled: false,
    unsettled: '',
    calmAtMs: 0,
  }
  tables.onInsert = (table, rows) => evidence.inserts.push({ atMs: nowMs(), table, rows })
  return evidence
}

function storedOffset(tables: Tables, partition: number): number | null {
  const row = tables
    .rows('progress')
    .find(one => one.topic === clicksTopic && one.partition === partition)
  return row ? Number(row.next_offset) : null
}

/** What is not done yet; empty: nothing. */
function unsettled(topics: Topics, tables: Tables): string {
  const progress = tables.rows('progress')
  const rowOf = (topic: string, partition: number) =>
    progress.find(row => row.topic === topic && row.partition === partition)
  for (let partition = 0; partition < topics.count(clicksTopic); partition++) {
    const { endOffset } = topics.bounds(clicksTopic, partition)
    const next = Number(rowOf(clicksTopic, partition)?.next_offset ?? 0)
    if (next < endOffset) return `${clicksTopic} ${partition} is at ${next} of ${endOffset}`
  }
  for (let partition = 0; partition < topics.count(alertsTopic); partition++) {
    const { endOffset } = topics.bounds(alertsTopic, partition)
    const seen = JSON.parse(String(rowOf(alertsTopic, partition)?.state ?? '{}')).seenOffset ?? 0
    if (seen < endOffset) return `${alertsTopic} ${partition} is at ${seen} of ${endOffset}`
  }
  const untold = untoldChange(tables, topics.count(clicksTopic))
  if (untold) return untold
  const open = answerQuery(tables, openDeliveriesSql)
  if (open.length > 0) return `${open.length} deliveries are open`
  return risen(tables).length === 0 ? '' : 'rows of erased users stand'
}

/** A rule or setting that some partition does not hold yet. */
function untoldChange(tables: Tables, partitions: number): string | undefined {
  const newest = new Map<string, number>()
  const note = (key: string, revision: unknown) =>
    newest.set(key, Math.max(newest.get(key) ?? 0, Number(revision)))
  for (const row of tables.rows('rules')) note(`rule:${row.rule_id}`, row.revision)
  for (const row of tables.rows('controls')) note(String(row.kind), row.revision)
  for (let partition = 0; partition < partitions; partition++) {
    const row = tables
      .rows('progress')
      .find(one => one.topic === clicksTopic && one.partition === partition)
    const held = new Map<string, number>(JSON.parse(String(row?.state ?? '{}')).revisions ?? [])
    for (const [key, revision] of newest)
      if ((held.get(key) ?? 0) < revision)
        return `partition ${partition} does not hold revision ${revision} of ${key}`
  }
  return undefined
}

/** Keeps what is logged; errors with all that pino would write of them. */
function loggerOf(life: Life, logs: LogLine[]): Logger {
  const at = (level: string) => (fields: object, text: string) =>
    void logs.push({ by: life.name, level, text: `${text} ${JSON.stringify(fields, shown)}` })
  const levels = { debug: () => {}, info: at('info'), warn: at('warn'), error: at('error') }
  return levels as unknown as Logger
}

function shown(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  return { ...value, name: value.name, message: value.message, cause: value.cause }
}
