/** A project on servers: Kafka for the log, ClickHouse over HTTP for the tables. */
import type { Logger } from 'pino'
import { every } from '../base/time.ts'
import { type KafkaLog, openKafkaLog } from '../log/kafka.ts'
import { migrate } from '../store/migrate.ts'
import { openServerStore } from '../store/server.ts'
import type { Store } from '../store/store.ts'
import { watchStore } from '../store/watch.ts'
import { retentionMsDefault } from './system.ts'

export interface ServerOptions {
  /** `host:port` of some brokers. */
  readonly kafka: readonly string[]
  readonly clickhouse: string
  readonly clickhouseUser: string
  readonly clickhousePassword: string
  readonly project: string
  /** Of a new project. */
  readonly partitions: number
}

export interface Servers {
  readonly log: KafkaLog
  readonly store: Store
  readonly project: string
  readonly clicksTopic: string
  readonly alertsTopic: string
  readonly partitions: number
  /** What is wrong with ClickHouse now, as sentences. */
  storeFaults(): string[]
  close(): Promise<void>
}

/** Longer than any delivery is tried. */
const alertsRetentionMs = 30 * 86_400_000
const probeIntervalMs = 5_000

/** A project is a topic prefix and a database: projects share nothing. */
function namespaceOf(project: string): string {
  return project === 'default' ? 'ebb' : project
}

/** Opens both, makes topics and tables that are missing. Throws a sentence when one does not answer. */
export async function openServers(options: ServerOptions, logger: Logger): Promise<Servers> {
  const { kafka, clickhouse, project, clickhouseUser, clickhousePassword } = options
  const namespace = namespaceOf(project)
  const watch = watchStore(
    await openServerStore({
      url: clickhouse,
      database: namespace,
      user: clickhouseUser,
      password: clickhousePassword,
    }),
  )
  const { store } = watch
  let log: KafkaLog | undefined
  try {
    const ran = await migrate(store)
    if (ran.length > 0) logger.info({ migrations: ran }, 'the tables are up to date')
    log = await openKafkaLog({ brokers: kafka, logger, clientId: 'ebb' })
    const clicksTopic = `${namespace}.clicks`
    const alertsTopic = `${namespace}.alerts`
    const retentionBytes = Number.POSITIVE_INFINITY
    const partitions = await log.ensure(clicksTopic, {
      partitions: options.partitions,
      retentionMs: retentionMsDefault,
      retentionBytes,
    })
    await log.ensure(alertsTopic, { partitions, retentionMs: alertsRetentionMs, retentionBytes })
    const opened = log
    const stopProbing = every(probeIntervalMs, watch.probe)
    return {
      log: opened,
      store,
      project,
      clicksTopic,
      alertsTopic,
      partitions,
      storeFaults: watch.faults,
      async close() {
        stopProbing()
        await opened.close()
        await store.close()
      },
    }
  } catch (error) {
    await log?.close()
    await store.close()
    throw error
  }
}

/** Whether some partition has seen the end of imports, as far as the tables tell. */
export async function isProjectLive(store: Store, clicksTopic: string): Promise<boolean> {
  const [row] = await store.query<{ live: string }>(
    `SELECT countIf(JSONExtractString(state, 'imports') = 'over') AS live
     FROM progress FINAL WHERE topic = {topic:String}`,
    { topic: clicksTopic },
  )
  return Number(row!.live) > 0
}

/** The revisions that each partition's progress shows; none yet where it has none. */
export async function readRevisions(
  servers: Pick<Servers, 'store' | 'clicksTopic' | 'partitions'>,
): Promise<Map<number, Map<string, number>>> {
  const { store, clicksTopic, partitions } = servers
  const rows = await store.query<{ partition: number; state: string }>(
    'SELECT partition, state FROM progress FINAL WHERE topic = {topic:String}',
    { topic: clicksTopic },
  )
  const held = new Map<number, Map<string, number>>()
  for (let partition = 0; partition < partitions; partition++) held.set(partition, new Map())
  for (const { partition, state } of rows) {
    const { revisions } = JSON.parse(state) as { revisions: [string, number][] }
    held.set(Number(partition), new Map(revisions))
  }
  return held
}
