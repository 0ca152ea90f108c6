/** Makes topics as Ebb needs them, and looks at those that others made. */
import { assert, EbbError } from '../../base/errors.ts'
import { steadyClock } from '../../base/time.ts'
import type { TopicSettings } from '../log.ts'
import { waiting } from './deadline.ts'
import { type Endpoint, openClient } from './library.ts'
import { openTopic, type Topic } from './topic.ts'
import { type Broker, isPassing, isUnsure, refusalOf, rejected, unreachable } from './wire.ts'

const replicasMax = 3
/** The largest batch, compressed. Kafka's own default of 1 MiB would refuse a large record. */
const batchBytesMax = 8 * 1024 * 1024
const createMsMax = 10_000
const retryDelayMs = 100
const topicResource = 2

/** Resolves to the topic, made just now or by somebody before; throws `topicMismatch` if Ebb cannot live with it. */
export async function ensureTopic(
  endpoint: Endpoint,
  name: string,
  settings: TopicSettings,
): Promise<Topic> {
  const { partitions } = settings
  assert(Number.isInteger(Math.log2(partitions)), 'the number of partitions is a power of two')
  const topic = await openTopic(endpoint, name).catch(async error => {
    if (!(error instanceof EbbError) || error.code !== 'topicMissing') throw error
    await createTopic(endpoint, name, settings)
    return untilKnown(endpoint, name)
  })
  try {
    await checkTopic(topic)
  } catch (error) {
    await topic.close()
    throw error
  }
  return topic
}

/** Resolves when it is there, whoever made it. */
async function createTopic(
  endpoint: Endpoint,
  name: string,
  settings: TopicSettings,
): Promise<void> {
  const givenUpAtMs = steadyClock() + createMsMax
  for (;;)
    try {
      return await requestTopic(endpoint, name, settings)
    } catch (error) {
      const refusals = refusalsOf(error)
      if (refusals.includes('TOPIC_ALREADY_EXISTS')) return
      const what = `Topic ${name} could not be made`
      if (refusals.length === 0) throw unreachable(what, error)
      if (!refusals.every(passesOnCreation)) throw rejected(what, error)
      if (steadyClock() > givenUpAtMs) throw unreachable(what, error)
      await waiting(retryDelayMs, new AbortController().signal)
    }
}

async function requestTopic(
  endpoint: Endpoint,
  name: string,
  { partitions, retentionMs, retentionBytes }: TopicSettings,
): Promise<void> {
  const { cluster, close } = openClient(endpoint)
  const unlimited = (limit: number) => String(Number.isFinite(limit) ? limit : -1)
  try {
    await cluster.connect()
    await cluster.refreshMetadata()
    const replicationFactor = Math.min(replicasMax, cluster.getNodeIds().length)
    const configEntries = Object.entries({
      'message.timestamp.type': 'LogAppendTime',
      'cleanup.policy': 'delete',
      'retention.ms': unlimited(retentionMs),
      'retention.bytes': unlimited(retentionBytes),
      'max.message.bytes': String(batchBytesMax),
      'min.insync.replicas': String(replicationFactor > 1 ? 2 : 1),
      'unclean.leader.election.enable': 'false',
    }).map(([key, value]) => ({ name: key, value }))
    const request = { topic: name, numPartitions: partitions, replicationFactor, configEntries }
    const controller = await cluster.findControllerBroker()
    await controller.createTopics({ timeout: createMsMax, topics: [request] })
    if (replicationFactor < replicasMax)
      endpoint.logger.warn(
        { topic: name, replicationFactor },
        `Topic ${name} was made with ${replicationFactor} of ${replicasMax} replicas: no more brokers are up.`,
      )
  } finally {
    await close()
  }
}

/** kafkajs gathers the refusals of a creation in one error. */
function refusalsOf(error: unknown): string[] {
  const { errors } = error as { readonly errors?: readonly unknown[] }
  return (errors ?? [error]).map(refusalOf).filter(refusal => refusal !== '')
}

/**
 * A broker that the controller has not heard of for a while counts as none, until it has: so a lone one refuses
 * about one time in six for a moment after a halt that was longer than its session.
 */
function passesOnCreation(refusal: string): boolean {
  return isPassing(refusal) || isUnsure(refusal) || refusal === 'INVALID_REPLICATION_FACTOR'
}

/** The brokers hear of a new topic one after the other, and its leaders take a moment. */
async function untilKnown(endpoint: Endpoint, name: string): Promise<Topic> {
  const givenUpAtMs = steadyClock() + createMsMax
  for (;;) {
    const topic = await openTopic(endpoint, name).catch(error => {
      if (!isPassing(refusalOf(error)) || steadyClock() > givenUpAtMs) throw error
    })
    if (topic) {
      const partitions = Array.from({ length: topic.partitions() }, (_, partition) => partition)
      await Promise.all(partitions.map(partition => topic.bounds(partition)))
      return topic
    }
    await waiting(retryDelayMs, new AbortController().signal)
  }
}

/** What would make the same log give other answers. Retention is its keeper's business. */
async function checkTopic(topic: Topic): Promise<void> {
  const partitions = topic.partitions()
  const settings = await topic.ask(0, broker => describe(broker, topic.name))
  const mismatch = (what: string) => new EbbError('topicMismatch', `Topic ${topic.name} ${what}`)
  if (!Number.isInteger(Math.log2(partitions)))
    throw mismatch(`has ${partitions} partitions; Ebb needs a power of two.`)
  const time = settings.get('message.timestamp.type')
  if (time !== 'LogAppendTime')
    throw mismatch(`has message.timestamp.type=${time}; set it to LogAppendTime.`)
  const policy = settings.get('cleanup.policy')
  if (policy !== 'delete') throw mismatch(`has cleanup.policy=${policy}; set it to delete.`)
}

async function describe(broker: Broker, name: string): Promise<Map<string, string>> {
  const configNames = ['message.timestamp.type', 'cleanup.policy']
  const answer = await broker.describeConfigs({
    resources: [{ type: topicResource, name, configNames }],
  })
  const entries = answer.resources.flatMap(({ configEntries }) => configEntries)
  return new Map(entries.map(({ configName, configValue }) => [configName, configValue]))
}
