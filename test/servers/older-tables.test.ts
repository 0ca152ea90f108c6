/**
 * ClickHouse is lost after a growth, and its backup is from before it, on a real Kafka: the tables go on where the log
 * did, and end as they were. No click that was acknowledged since is lost, and nothing is told with another body.
 */
import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { readEpochs } from '../../services/rebuild/epochs.ts'
import { ebb } from '../control/ebb.ts'
import { withAdmin } from '../log/kafka-fixture.ts'
import { seen } from '../rebuild/rebuilder.ts'
import { alertBytes, foldedAll } from './compare.ts'
import { startLoad } from './load.ts'
import {
  beginScene,
  complains,
  isWell,
  partitions,
  type Scene,
  sceneMsMax,
  until,
} from './scene.ts'
import { type Service, startService } from './services.ts'

/** Clicks that are acknowledged after the growth, and again after the backup. */
const clicksMin = 300
const users = 50
const alertsMin = 20
const grownTopic = 'ebb.e1.clicks'

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

async function stopAll(...services: readonly Service[]): Promise<void> {
  for (const service of services) assert.equal(await service.stop('SIGTERM'), 0, service.output())
}

/** Clicks by the collector's door; resolves to how many it acknowledged. */
async function click(collector: Service, prefix: string): Promise<number> {
  const [, door] = /(http:\S+)\/v1\/track/.exec(collector.output())!
  const load = startLoad(door!, users, prefix)
  try {
    await until(() => load.acknowledged.size > clicksMin)
  } finally {
    await load.stop()
  }
  return load.acknowledged.size
}

/** A processor that begins asks for cutoffs, by what the tables hold just then: who is high from then on may differ. */
function withoutTiers<Rows>(rows: Rows): Rows {
  const text = JSON.stringify(rows, (name, value) => (name === 'tier' ? undefined : value))
  return JSON.parse(text.replaceAll(/\\"high\\":(true|false)/g, '\\"high\\":null'))
}

async function whatIs({ log, store }: Pick<Scene, 'log' | 'store'>) {
  const [rows, bytes] = [withoutTiers(await seen({ store })), await alertBytes(log)]
  assert.ok(bytes.size > alertsMin, `${bytes.size} alerts to tell again`)
  for (const [id, bodies] of bytes) assert.equal(bodies.size, 1, `${id} has one body`)
  return { rows, bytes }
}

/** A scene with what both tests do to it. */
async function begin(t: TestContext, addresses: readonly string[], clicks: number) {
  const scene = await beginScene(t, addresses, { clicks })
  const where = ['--kafka', addresses.join(','), '--clickhouse', scene.proxy.url]
  const servers = [...where, '--clickhouse-user', 'writer']
  return {
    ...scene,
    servers,
    processor: () => scene.start('processor', ...scene.servers),
    collector: () => scene.start('collector', ...scene.servers, '--port', '0'),
    /** From 4 to 8 partitions. */
    async grow() {
      const grown = await ebb(['grow', `${2 * partitions}`, ...servers], scene.cwd)
      assert.equal(grown.status, 0, grown.stdout + grown.stderr)
    },
    /** The files of ClickHouse, while it is stopped. */
    async copy(from: string, to: string) {
      await scene.stopClickHouse('SIGTERM')
      rmSync(join(scene.cwd, to), { recursive: true, force: true })
      cpSync(join(scene.cwd, from), join(scene.cwd, to), { recursive: true })
      await scene.startClickHouse()
    },
  }
}

if (typeof brokers === 'string') test('older tables', { skip: brokers }, () => {})
else {
  test('a backup from before a growth is restored', { timeout: sceneMsMax }, async t => {
    const scene = await begin(t, brokers.addresses, 5_000)
    const { log, store, cwd, servers, processor, collector } = scene
    let folding = await processor()
    await scene.pour(0.5)
    await scene.folded()
    await stopAll(folding)
    await scene.copy('ch', 'backup')

    let taking = await collector()
    folding = await processor()
    await scene.pour(1)
    await scene.grow()
    await click(taking, 'before')
    await stopAll(taking)
    await until(() => foldedAll(log, store))
    await stopAll(folding)
    const [whole, epochs] = [await whatIs(scene), await readEpochs(store)]

    await scene.copy('backup', 'ch')
    assert.deepEqual(await readEpochs(store), [])
    const doctor = await ebb(['doctor', ...servers], cwd)
    assert.equal(doctor.status, 1, doctor.stdout)
    assert.match(
      doctor.stdout,
      /went on from ebb\.clicks in ebb\.e1\.clicks, by a growth.* delete nothing, and run ebb grow 8/,
    )
    folding = await processor()
    assert.match(folding.output(), /The tables knew nothing of ebb\.e1\.clicks/)
    await scene.grow()
    assert.deepEqual(await readEpochs(store), epochs)
    await until(() => foldedAll(log, store))
    assert.deepEqual(await whatIs(scene), whole)

    taking = await collector()
    assert.match(taking.output(), /topic {4}ebb\.e1\.clicks, 8 partitions/)
    const before = whole.rows.clicks!.length
    const acknowledged = await click(taking, 'behind')
    await isWell(taking)
    await stopAll(taking)
    await until(() => foldedAll(log, store))
    const { rows } = await whatIs(scene)
    assert.equal(rows.clicks!.length, before + acknowledged)
    await isWell(folding)
    const audited = await ebb(['audit', ...servers], cwd)
    assert.equal(audited.status, 0, audited.stdout + audited.stderr)
    await stopAll(folding)
    await withAdmin(brokers.addresses, admin => admin.deleteTopics({ topics: [grownTopic] }))
  })

  test('and the topic of the growth is gone', { timeout: sceneMsMax }, async t => {
    const scene = await begin(t, brokers.addresses, 400)
    await scene.pour(1)
    await scene.copy('ch', 'backup')
    let folding = await scene.processor()
    await scene.grow()
    await stopAll(folding)
    await scene.copy('backup', 'ch')
    await withAdmin(brokers.addresses, admin => admin.deleteTopics({ topics: [grownTopic] }))

    folding = await scene.processor()
    const nothingBehind = /ebb\.clicks was sealed .* run ebb grow 8: it goes on in a new topic/
    await complains(folding, nothingBehind)
    const taking = startService(['collector', ...scene.servers, '--port', '0'], scene.cwd)
    await taking.says(/health/)
    await complains(taking, nothingBehind)
    assert.doesNotMatch(taking.output(), /Clicks go to/)
    await scene.grow()
    await isWell(folding)
    await taking.says(/Clicks go to/)
    await stopAll(taking, folding)
  })
}
