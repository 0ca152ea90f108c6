/**
 * Growths from 4 to 8 and to 16 partitions on a real Kafka under load, in which the growing command, a collector and
 * processors are killed with -9, and a collector cannot read where the project goes on. The command is given again, and then: every
 * confirmed click stands in the tables once, every alert was told once, and the tables are what the logs of all epochs
 * say.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { readEpochs, readSealed, topicOf } from '../../services/rebuild/epochs.ts'
import { ebb, freePort } from '../control/ebb.ts'
import { compareSent } from '../soak/books.ts'
import { appendRule } from '../soak/scene.ts'
import { createSender } from '../soak/sender.ts'
import { alertBytes, clicksTopic, foldedAll } from './compare.ts'
import { startProxy } from './proxy.ts'
import { beginScene, isWell, partitions, type Scene, sceneMsMax, until } from './scene.ts'
import { type Service, startService } from './services.ts'

const clicksPerSecond = 150
const seed = 7
/** There must be something to tell twice. */
const alertsMin = 100

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

async function isThere({ log }: Scene, topic: string): Promise<boolean> {
  return log.partitions(topic).then(
    () => true,
    () => false,
  )
}

/** Clicks that they have carried over, by what they say. */
function carriedBy(processors: readonly Service[]): number {
  const lines = /"clicks":(\d+),"msg":"clicks were carried over/g
  return processors
    .flatMap(({ output }) => [...output().matchAll(lines)])
    .reduce((sum, [, clicks]) => sum + Number(clicks), 0)
}

async function alertsIn({ store }: Scene) {
  const [row] = await store.query<Record<'told' | 'distinct', string>>(
    `SELECT count() AS told, uniqExact(user_id, rule_id, since, due, status) AS distinct FROM alerts FINAL`,
  )
  return { told: Number(row!.told), distinct: Number(row!.distinct) }
}

test('the command, a collector and processors are killed in the middle of growths under load', {
  skip: typeof brokers === 'string' && brokers,
  timeout: sceneMsMax,
}, async t => {
  assert.ok(typeof brokers !== 'string')
  const scene = await beginScene(t, brokers.addresses, { clicks: 0 })
  await appendRule(scene.log)
  const where = ['--kafka', brokers.addresses.join(','), '--clickhouse', scene.proxy.url]
  const servers = [...where, '--clickhouse-user', 'writer']
  const grow = (count: number) => startService(['grow', `${count}`, ...servers], scene.cwd)
  const processor = () => scene.start('processor', ...scene.servers)
  const ports = [await freePort(), await freePort()]
  const deaf = await startProxy({ host: '127.0.0.1', port: scene.sqlPort })
  t.after(() => deaf.stop())
  const doors = [scene.servers, scene.serversBy(brokers.addresses.join(','), deaf.url)]
  const collector = (at: number) =>
    scene.start('collector', ...doors[at]!, '--port', `${ports[at]}`)
  const processors = [await processor(), await processor()]
  const collectors = [await collector(0), await collector(1)]
  const replace = async (services: Service[], at: number, begin: () => Promise<Service>) => {
    await services[at]!.stop('SIGKILL')
    services[at] = await begin()
  }
  const urls = ports.map(port => `http://127.0.0.1:${port}`)
  const sender = createSender(urls, seed)

  async function growTwice(): Promise<void> {
    await until(async () => (await alertsIn(scene)).told > alertsMin)
    const early = grow(2 * partitions)
    await until(() => isThere(scene, topicOf(clicksTopic, 1)))
    await early.stop('SIGKILL')
    const begun = grow(2 * partitions)
    // That one may have come as far as to say where the project goes on.
    await begun.says(/Collectors turn to the new topic|is sealed/)
    await begun.stop('SIGKILL')
    await replace(collectors, 0, () => collector(0))
    const again = grow(2 * partitions)
    await again.says(/is sealed/)
    await replace(processors, 0, processor)
    await again.says(/8 partitions, in epoch 1/)

    // It hears of nothing, and appends behind the seals.
    await deaf.suffer({ kind: 'refused' })
    const carriedBefore = carriedBy(processors)
    const sealing = grow(4 * partitions)
    await sealing.says(/is sealed/)
    await sealing.stop('SIGKILL')
    await until(() => carriedBy(processors) > carriedBefore)
    await deaf.suffer({ kind: 'none' })
    await replace(processors, 1, processor)
    await replace(collectors, 1, () => collector(1))
    const last = await ebb(['grow', `${4 * partitions}`, ...servers], scene.cwd)
    assert.equal(last.status, 0, last.stdout + last.stderr)
    assert.match(last.stdout, /16 partitions, in epoch 2/)
    const { told } = await alertsIn(scene)
    await until(async () => (await alertsIn(scene)).told > told + alertsMin)
  }

  const growing = growTwice()
  await sender.run(clicksPerSecond, growing)
  await growing
  for (const service of collectors) {
    await isWell(service)
    assert.equal(await service.stop('SIGTERM'), 0, service.output())
  }
  await until(() => foldedAll(scene.log, scene.store))
  for (const { topic, partitions } of (await readEpochs(scene.store)).slice(0, -1))
    assert.equal((await readSealed(scene.store, topic)).size, partitions)

  assert.deepEqual(await compareSent(scene.store, sender.counts), [])
  const { told, distinct } = await alertsIn(scene)
  assert.equal(told, distinct)
  const bytes = await alertBytes(scene.log)
  assert.equal(bytes.size, told)
  for (const [id, bodies] of bytes) assert.equal(bodies.size, 1, `message ${id} has one body`)
  t.diagnostic(`${sender.counts.distinct} clicks, ${told} alerts`)
  const audited = await ebb(['audit', ...servers], scene.cwd)
  assert.equal(audited.status, 0, audited.stdout + audited.stderr)
})
