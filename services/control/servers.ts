/** A project on servers: Kafka for the log, ClickHouse over HTTP for the tables. */
import type { Logger } from 'pino'
import { EbbError } from '../base/errors.ts'
import type { Fault } from '../base/faults.ts'
import { every } from '../base/time.ts'
import { type KafkaLog, openKafkaLog } from '../log/kafka.ts'
import { openPresent, openTopic, type Present } from '../rebuild/present.ts'
import { migrate } from '../store/migrate.ts'
import { openServerStore } from '../store/server.ts'
import type { Store } from '../store/store.ts'
import { watchStore } from '../store/watch.ts'
import { alertsRetentionMs, retentionMsDefault } from './system.ts'

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
  /** Of the epoch in which the project is. */
  readonly clicks: Present
  readonly alertsTopic: string
  readonly alertsPartitions: number
  /** What is wrong with ClickHouse now. */
  storeFaults(): Fault[]
  close(): Promise<void>
}

const probeIntervalMs = 5_000

/** A project is a topic prefix and a database: projects share nothing. */
export function placesOf(project: string) {
  const database = project === 'default' ? 'ebb' : project
  return { database, clicksTopic: `${database}.clicks`, alertsTopic: `${database}.alerts` }
}

/** Throws a sentence where nobody has begun the project: a mistyped name must not begin one. */
export async function requireProject(
  { kafka, project }: ServerOptions,
  logger: Logger,
): Promise<void> {
  const { clicksTopic } = placesOf(project)
  const log = await openKafkaLog({ brokers: kafka, logger, clientId: 'ebb' })
  try {
    await log.partitions(clicksTopic)
  } catch (error) {
    if (!(error instanceof EbbError) || error.code !== 'topicMissing') throw error
    throw new EbbError(
      'badInput',
      `There is no project ${project} on ${kafka.join(', ')}, for there is no topic ${clicksTopic}; choose one with --project, or begin one: ebb processor.`,
    )
  } finally {
    await log.close()
  }
}

/** Opens both, makes topics and tables that are missing. Throws a sentence when one does not answer. */
export async function openServers(options: ServerOptions, logger: Logger): Promise<Servers> {
  const { kafka, clickhouse, project, clickhouseUser, clickhousePassword } = options
  const { database, clicksTopic, alertsTopic } = placesOf(project)
  const watch = watchStore(
    await openServerStore({
      url: clickhouse,
      database,
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
    const retentionBytes = Number.POSITIVE_INFINITY
    const clicks = await openPresent(
      { log, store },
      clicksTopic,
      {
        partitions: options.partitions,
        retentionMs: retentionMsDefault,
        retentionBytes,
      },
      sentence => logger.warn(sentence),
    )
    const alertsPartitions = await openTopic({ log, store }, alertsTopic, {
      partitions: clicks.partitions,
      retentionMs: alertsRetentionMs,
      retentionBytes,
    })
    const opened = log
    const stopProbing = every(probeIntervalMs, watch.probe)
    return {
      log: opened,
      store,
      project,
      clicks,
      alertsTopic,
      alertsPartitions,
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
