/** `ebb doctor`: looks at all that a project stands on, and says what is wrong and what to do. Changes nothing. */
import { createLogger } from '../base/logger.ts'
import { wallClock } from '../base/time.ts'
import { placesOf, type ServerOptions } from '../control/servers.ts'
import { openKafkaLog } from '../log/kafka.ts'
import { openServerStore } from '../store/server.ts'
import type { Store } from '../store/store.ts'
import { examineAudit } from './audit.ts'
import { type Check, look, wrong } from './check.ts'
import { examineClickHouse } from './clickhouse.ts'
import { examineClocks } from './clocks.ts'
import { type DeliverySource, examineAlerts, examineDeliveries } from './deliveries.ts'
import { examineEnd, examineGrowth, newestTopic } from './growth.ts'
import { examineKafka } from './kafka.ts'
import { examineControls, examinePartitions, type PartitionSource } from './partitions.ts'
import { examineRebuild } from './rebuild.ts'

/** A project whose log and tables answer. */
export type Patient = PartitionSource & DeliverySource

export async function examineProject(patient: Patient): Promise<readonly Check[]> {
  const ofTables = await examineTables(patient)
  const ofLog = await inOrder([
    () => look('growth', () => examineEnd(patient)),
    () => look('clocks', () => examineClocks(patient)),
    () => look('partitions', () => examinePartitions(patient)),
    () => look('changes', () => examineControls(patient)),
    () => look('deliveries', () => examineAlerts(patient)),
  ])
  return [...ofTables, ...ofLog]
}

/** What the tables tell without the log. */
function examineTables({
  store,
  clock,
  wallClock,
}: Pick<Patient, 'store' | 'clock' | 'wallClock'>): Promise<readonly Check[]> {
  return inOrder([
    () => examineClickHouse(store, wallClock),
    () => look('growth', () => examineGrowth(store)),
    () => look('rebuild', () => examineRebuild(store)),
    () => look('deliveries', () => examineDeliveries({ store, clock })),
    () => look('audit', () => examineAudit(store, wallClock)),
  ])
}

/** One after the other: a project that is ill is not loaded with all of them. */
async function inOrder(looks: readonly (() => Promise<readonly Check[]>)[]): Promise<Check[]> {
  const checks: Check[] = []
  for (const one of looks) checks.push(...(await one()))
  return checks
}

/** By their addresses: whatever of them is away is said, and the rest looked at. */
export async function examineServers(options: ServerOptions): Promise<readonly Check[]> {
  const logger = createLogger()
  const { kafka: brokers, project } = options
  const { database, clicksTopic: firstTopic, alertsTopic } = placesOf(project)
  let store: Store | undefined
  const opening = await look(
    'ClickHouse',
    async () => {
      store = await openExisting(options)
      const missing = `There is no database ${database}: check --project; a service makes it at its start.`
      return store ? [] : [wrong('ClickHouse', missing)]
    },
    `Look whether ClickHouse runs at ${new URL(options.clickhouse).host}, is reached from here and knows the user ${options.clickhouseUser}.`,
  )
  const clicksTopic = (store && (await newestTopic(store))) ?? firstTopic
  const kafka = await examineKafka({ brokers, clicksTopic, alertsTopic, logger })
  const checks = [...kafka, ...opening]
  if (!store) return checks
  const log = await openKafkaLog({ brokers, logger, clientId: 'ebb-doctor' }).catch(() => undefined)
  try {
    const partitions = await log?.partitions(clicksTopic).catch(() => undefined)
    const clocks = { clock: wallClock, wallClock, replay: false }
    // What is wrong with Kafka is said above: without it there are no partitions to look at.
    if (!log || !partitions) return [...checks, ...(await examineTables({ store, ...clocks }))]
    const places = { log, store, clicksTopic, alertsTopic, partitions }
    return [...checks, ...(await examineProject({ ...places, ...clocks }))]
  } finally {
    await log?.close()
    await store.close()
  }
}

/** The store of a project that somebody has begun; undefined where nobody has. Makes no database. */
async function openExisting(options: ServerOptions): Promise<Store | undefined> {
  const { clickhouse: url, clickhouseUser: user, clickhousePassword: password, project } = options
  const { database } = placesOf(project)
  const front = await openServerStore({ url, database: 'default', user, password })
  try {
    const found = await front.query(
      'SELECT name FROM system.databases WHERE name = {name:String}',
      {
        name: database,
      },
    )
    if (found.length === 0) return undefined
  } finally {
    await front.close()
  }
  return openServerStore({ url, database, user, password })
}
