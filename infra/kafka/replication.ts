/** How often topics are kept, as Kafka itself describes them. */
import { setTimeout as wait } from 'node:timers/promises'
import kafkajs from 'kafkajs'

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs
const retryDelayMs = 100
const knownMsMax = 10_000

/**
 * Throws unless each of the topics, or of all, has as many replicas as there are brokers, or 3, and where it has
 * several an append waits for 2 of them.
 */
export async function checkReplication(
  brokers: readonly string[],
  topics?: readonly string[],
): Promise<void> {
  const replicas = Math.min(3, brokers.length)
  const inSyncMin = Math.min(2, replicas)
  const wrong: string[] = []
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    // Kafka's own have as many as its settings say.
    const names = topics ?? (await admin.listTopics()).filter(name => !name.startsWith('__'))
    if (names.length === 0) return
    const described = await onceKnown(() => admin.fetchTopicMetadata({ topics: [...names] }))
    for (const { name, partitions } of described.topics)
      for (const { partitionId, replicas: there } of partitions)
        if (there.length < replicas)
          wrong.push(`${name} partition ${partitionId} has ${there.length} of ${replicas} replicas`)
    const configNames = ['min.insync.replicas']
    const type = ConfigResourceTypes.TOPIC
    const resources = names.map(name => ({ type, name, configNames }))
    const settings = await onceKnown(() =>
      admin.describeConfigs({ includeSynonyms: false, resources }),
    )
    for (const { resourceName, configEntries } of settings.resources) {
      const least = configEntries[0]?.configValue
      if (Number(least) < inSyncMin) wrong.push(`${resourceName} has min.insync.replicas=${least}`)
    }
  } finally {
    await admin.disconnect()
  }
  if (wrong.length > 0) throw new Error(`Topics are not replicated: ${wrong.join('; ')}.`)
}

/** Brokers hear of a new topic one after the other. */
async function onceKnown<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (const startMs = performance.now(); ; await wait(retryDelayMs))
    try {
      return await ask()
    } catch (error) {
      const { type } = error as { readonly type?: string }
      const isNew = type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'LEADER_NOT_AVAILABLE'
      if (!isNew || performance.now() - startMs > knownMsMax) throw error
    }
}
