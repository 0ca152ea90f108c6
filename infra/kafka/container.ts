/**
 * Brokers in containers, by testcontainers: on Linux, where Docker has an image of Kafka. They have the network of
 * this machine and listen on 127.0.0.1 alone. Nothing is ever pulled: that takes minutes, or does not end.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ContainerRuntimeClient, StartedTestContainer } from 'testcontainers'
import type { Brokers } from './broker.ts'
import { freePorts } from './ports.ts'

/** The first that is there: of Kafka's makers, or of the Dockerfile beside this file. */
const images = ['apache/kafka:4.1.0', 'ebb-kafka']
/** Testcontainers' own, which removes what a dead test has left behind. */
const reaperImage = process.env.RYUK_CONTAINER_IMAGE ?? 'testcontainers/ryuk:0.14.0'
/** The process id of the test, for those to come: without the reaper they remove what it left. */
const label = 'ebb.test'
const ready = 'Kafka Server started'
/** A busy machine takes minutes for what else takes seconds. */
const startTimeoutMs = 300_000
const cluster = 'ebbEbbEbbEbbEbbEbbEbbA'

/** Why there are none is a sentence. */
export async function startInContainers(count: 1 | 3): Promise<Brokers | string> {
  if (process.platform !== 'linux')
    return 'Containers have the network of this machine on Linux only.'
  // Loading testcontainers takes seconds.
  if (!process.env.DOCKER_HOST && !existsSync('/var/run/docker.sock')) return 'There is no Docker.'
  const { getContainerRuntimeClient, ImageName } = await import('testcontainers')
  const client = await getContainerRuntimeClient().catch(() => undefined)
  if (!client) return 'Docker does not answer.'
  const isThere = (image: string) => client.image.exists(ImageName.fromString(image))
  const there = await Promise.all(images.map(isThere))
  const image = images.find((_, index) => there[index])
  if (!image) return `Docker has none of the images ${images.join(', ')}.`
  await removeWhere(client, ({ Labels }) => !existsSync(`/proc/${Labels[label]}`))
  const port = await freePorts(2 * count)
  const reaps = await isThere(reaperImage)
  const numbers = Array.from({ length: count }, (_, broker) => broker)
  const running = await Promise.all(
    numbers.map(broker => startBroker({ image, broker, count, port, reaps })),
  )
  return supervised(
    client,
    running,
    numbers.map(broker => addressOf(port, broker)),
  )
}

function addressOf(port: number, broker: number): string {
  return `127.0.0.1:${port + 2 * broker}`
}

interface BrokerOptions {
  readonly image: string
  readonly broker: number
  readonly count: number
  /** Of broker 0; its controller and the others follow. */
  readonly port: number
  readonly reaps: boolean
}

async function startBroker(options: BrokerOptions): Promise<StartedTestContainer> {
  const { GenericContainer, Wait } = await import('testcontainers')
  return new GenericContainer(options.image)
    .withAutoCleanup(options.reaps)
    .withLabels({ [label]: String(process.pid) })
    .withNetworkMode('host')
    .withEnvironment({ CLUSTER_ID: cluster, KAFKA_HEAP_OPTS: '-Xmx384m', ...variables(options) })
    .withWaitStrategy(Wait.forLogMessage(ready))
    .withStartupTimeout(startTimeoutMs)
    .start()
}

/** As `run` beside this file has them, in the names of both images. */
function variables({ broker, count, port }: BrokerOptions): Record<string, string> {
  const controller = (of: number) => `127.0.0.1:${port + 2 * of + 1}`
  const voters = Array.from({ length: count }, (_, of) => `${of}@${controller(of)}`)
  const least = count > 1 ? 2 : 1
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': broker,
    'controller.quorum.voters': voters.join(','),
    listeners: `BROKER://${addressOf(port, broker)},CONTROLLER://${controller(broker)}`,
    'advertised.listeners': `BROKER://${addressOf(port, broker)}`,
    'listener.security.protocol.map': 'BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'BROKER',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': '/var/lib/kafka/data',
    'default.replication.factor': count,
    'min.insync.replicas': least,
    'offsets.topic.replication.factor': count,
    'transaction.state.log.replication.factor': count,
    'transaction.state.log.min.isr': least,
    ...testSettings(),
  }
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      `KAFKA_${name.toUpperCase().replaceAll('.', '_')}`,
      String(value),
    ]),
  )
}

function testSettings(): Record<string, string> {
  const lines = readFileSync(join(import.meta.dirname, 'test.properties'), 'utf8').split('\n')
  const settings = lines.filter(line => line.includes('=') && !line.startsWith('#'))
  return Object.fromEntries(settings.map(line => line.split('=')))
}

/** Starts again what a signal ended, as `run` does. */
function supervised(
  client: ContainerRuntimeClient,
  running: readonly StartedTestContainer[],
  addresses: readonly string[],
): Brokers {
  let stopping = false
  /** By broker: resolves when it has been ended and answers again. */
  const restarts = new Map<number, PromiseWithResolvers<void>>()

  async function keep(broker: number): Promise<void> {
    const container = client.container.getById(running[broker]!.getId())
    for (;;) {
      await container.wait()
      if (stopping) return
      try {
        await running[broker]!.restart()
      } catch (error) {
        if (stopping) return
        throw error
      }
      restarts.get(broker)?.resolve()
    }
  }

  const keepers = running.map((_, broker) => keep(broker))
  return {
    addresses,
    async signal(broker, signal) {
      restarts.set(broker, Promise.withResolvers())
      await client.container.getById(running[broker]!.getId()).kill({ signal })
    },
    restarted: broker => restarts.get(broker)!.promise,
    async stop() {
      stopping = true
      await Promise.all(running.map(container => container.stop({ remove: false })))
      // One that was starting again is removed by testcontainers already, which takes its end for a fault.
      await Promise.all(keepers)
      const ids = running.map(container => container.getId())
      await removeWhere(client, ({ Id }) => ids.includes(Id))
    },
  }
}

async function removeWhere(
  client: ContainerRuntimeClient,
  condition: (container: {
    readonly Id: string
    readonly Labels: Record<string, string>
  }) => boolean,
): Promise<void> {
  const filters = { label: [label] }
  const found = await client.container.dockerode.listContainers({ all: true, filters })
  for (const { Id } of found.filter(condition))
    await client.container.getById(Id).remove({ force: true, v: true })
}
