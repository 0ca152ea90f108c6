/** Kafka: its brokers, and whether the topics are as Ebb needs them. */
import type { Logger } from 'pino'
import { EbbError } from '../base/errors.ts'
import { type Endpoint, openClient } from '../log/kafka/library.ts'
import { openTopic, type Topic } from '../log/kafka/topic.ts'
import {
  type Check,
  countText,
  durationText,
  look,
  orOk,
  partitionsText,
  warn,
  wrong,
} from './check.ts'

const topicResource = 2
const dayMs = 86_400_000

export interface KafkaPlace {
  readonly brokers: readonly string[]
  readonly clicksTopic: string
  readonly alertsTopic: string
  readonly logger: Logger
}

/** Below it a rebuild, or a delivery that is tried for days, would find its records gone. */
const retentionMsMin = 7 * dayMs

export async function examineKafka(place: KafkaPlace): Promise<readonly Check[]> {
  const endpoint: Endpoint = {
    brokers: place.brokers,
    clientId: 'ebb-doctor',
    logger: place.logger,
  }
  const brokers = await examineBrokers(endpoint)
  if (brokers.some(({ blind }) => blind)) return brokers
  const clicks = look('topics', () => examineTopic(endpoint, place.clicksTopic, 'click'))
  const alerts = look('topics', () => examineTopic(endpoint, place.alertsTopic, 'alert'))
  return [...brokers, ...(await clicks), ...(await alerts)]
}

async function examineBrokers(endpoint: Endpoint): Promise<readonly Check[]> {
  const { cluster, close } = openClient(endpoint)
  try {
    const ask = async () => {
      await cluster.connect()
      await cluster.refreshMetadata()
      const nodes = cluster.getNodeIds()
      const asked = nodes.map(nodeId =>
        cluster.findBroker({ nodeId }).then(
          () => undefined,
          (error: Error) =>
            wrong('Kafka', `Broker ${nodeId} does not answer (${error.message}): see its log.`),
        ),
      )
      const faults = (await Promise.all(asked)).filter(fault => fault !== undefined)
      const says = `${countText(nodes.length, 'broker answers', 'brokers answer')}.`
      return orOk(faults, 'Kafka', says)
    }
    const where = endpoint.brokers.join(', ')
    const next = `Look whether Kafka runs at ${where}, and is reached from here.`
    return await look('Kafka', ask, next)
  } finally {
    await close()
  }
}

async function examineTopic(
  endpoint: Endpoint,
  name: string,
  holds: 'click' | 'alert',
): Promise<readonly Check[]> {
  const topic = await openTopic(endpoint, name).catch(error => {
    if (error instanceof EbbError && error.code === 'topicMissing') return undefined
    throw error
  })
  if (!topic)
    return [
      wrong(
        'topics',
        `There is no topic ${name}: check --project; a service makes it at its start.`,
      ),
    ]
  try {
    const settings = await readSettings(topic)
    const faults = [...settingFaults(name, settings), ...replicaFaults(topic, settings, holds)]
    const count = countText(topic.partitions(), 'partition')
    const says = `${name} has ${count} and the right settings.`
    return orOk(faults, 'topics', says)
  } finally {
    await topic.close()
  }
}

const settingNames = [
  'message.timestamp.type',
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'min.insync.replicas',
  'unclean.leader.election.enable',
]

function readSettings(topic: Topic): Promise<Map<string, string>> {
  return topic.ask(0, async broker => {
    const resources = [{ type: topicResource, name: topic.name, configNames: settingNames }]
    const answer = await broker.describeConfigs({ resources })
    const entries = answer.resources.flatMap(({ configEntries }) => configEntries)
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue]))
  })
}

function settingFaults(name: string, settings: ReadonlyMap<string, string>): Check[] {
  const faults: Check[] = []
  const needs = (setting: string, value: string, why: string) => {
    const is = settings.get(setting)
    if (is !== value)
      faults.push(wrong('topics', `${name} has ${setting}=${is}: set it to ${value}; ${why}.`))
  }
  needs('message.timestamp.type', 'LogAppendTime', "Ebb's clock leans on it")
  needs('cleanup.policy', 'delete', 'compaction loses records')
  needs('unclean.leader.election.enable', 'false', 'a late leader loses acknowledged records')
  const retentionMs = Number(settings.get('retention.ms'))
  if (retentionMs >= 0 && retentionMs < retentionMsMin)
    faults.push(
      wrong(
        'topics',
        `${name} keeps records for ${durationText(retentionMs)} only (retention.ms): what stands still for longer is lost; keep ${durationText(retentionMsMin)} at least.`,
      ),
    )
  const retentionBytes = Number(settings.get('retention.bytes'))
  if (retentionBytes >= 0)
    faults.push(
      warn(
        'topics',
        `${name} has retention.bytes=${retentionBytes}: a rush may push out what was not read yet; set it to -1.`,
      ),
    )
  return faults
}

function replicaFaults(
  { name, client, partitions }: Topic,
  settings: ReadonlyMap<string, string>,
  holds: 'click' | 'alert',
): Check[] {
  const faults: Check[] = []
  const count = partitions()
  if (!Number.isInteger(Math.log2(count)))
    faults.push(
      wrong(
        'topics',
        `${name} has ${count} partitions, which is no power of two: somebody added some; users are in the wrong ones.`,
      ),
    )
  const all = client.cluster.findTopicPartitionMetadata(name)
  const replicas = Math.min(...all.map(({ replicas }) => replicas.length))
  const insync = Number(settings.get('min.insync.replicas'))
  if (replicas === 1)
    faults.push(
      warn(
        'topics',
        `${name} has one replica: with its broker ${holds === 'click' ? 'acknowledged clicks' : 'alerts that were not delivered'} are lost; give it two more.`,
      ),
    )
  else if (insync < 2)
    faults.push(
      wrong(
        'topics',
        `${name} has min.insync.replicas=${insync}: set it to 2; ${holds === 'click' ? 'a click' : 'an alert'} must survive the loss of a broker.`,
      ),
    )
  const where = (short: typeof all) => partitionsText(short.map(({ partitionId }) => partitionId))
  const few = all.filter(({ isr }) => isr.length < insync)
  if (few.length > 0)
    faults.push(
      wrong(
        'topics',
        `${name}, ${where(few)}: too few replicas are in sync, and no ${holds} is taken: bring the brokers back.`,
      ),
    )
  const behind = all.filter(
    ({ isr, replicas }) => isr.length < replicas.length && isr.length >= insync,
  )
  if (behind.length > 0)
    faults.push(
      warn('topics', `${name}, ${where(behind)}: not all replicas are in sync; is a broker down?`),
    )
  return faults
}
