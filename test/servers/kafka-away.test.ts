/**
 * Kafka out of sight (fault 43): a collector, a processor and the webhooks are not ready, say since when and what they do
 * about it, stay alive, and are ready again by themselves. Clients go on: what was confirmed is there, once.
 *
 * $EBB_FAULT_MS: twice as long as Kafka is away each time; 600000 in a full run.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { assertExact } from './compare.ts'
import { startLoad } from './load.ts'
import { startKafkaProxy } from './proxy.ts'
import {
  askHealth,
  beginScene,
  complains,
  faultMs,
  figure,
  isWell,
  sceneMsMax,
  until,
} from './scene.ts'
import type { Service } from './services.ts'

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

/** What cannot be appended must not gather in memory. */
const residentBytesMax = 400 * 2 ** 20
const users = 40

/** What each says while Kafka is away. */
const says: Record<string, RegExp> = {
  collector: /The log does not answer.*, since \d{4}-.*Z\. Clients are answered 503/,
  processor: /group ebb\.clicks\.processor does not answer.*, since \d{4}-.*Z\. Ebb asks until/,
  webhooks: /group webhooks does not answer.*, since \d{4}-.*Z\. Ebb asks until/,
}

if (typeof brokers === 'string') test('Kafka away', { skip: brokers }, () => {})
else
  test('services that cannot see Kafka are not ready, and are again when they can; no confirmed click is lost', {
    timeout: sceneMsMax,
  }, async t => {
    const scene = await beginScene(t, brokers.addresses, { clicks: 0 })
    const kafka = await startKafkaProxy(brokers.addresses)
    t.after(() => kafka.stop())
    const servers = scene.serversBy(kafka.addresses, scene.proxy.url)
    const running: [string, Service][] = []
    for (const name of Object.keys(says)) {
      const ports = name === 'collector' ? ['--port', '0'] : []
      running.push([name, await scene.start(name, ...servers, ...ports)])
    }
    for (const [, service] of running) await isWell(service)
    const [, collector] = running.find(([name]) => name === 'collector')!
    const [, door] = /(http:\S+)\/v1\/track/.exec(collector.output())!
    const load = startLoad(door!, users)
    t.after(() => load.stop())
    for (const kind of ['silent', 'refused'] as const) {
      const before = { refused: load.refused(), acknowledged: load.acknowledged.size }
      await until(() => load.acknowledged.size > before.acknowledged + 100)
      await kafka.suffer({ kind })
      for (const [name, service] of running) {
        await complains(service, says[name]!)
        assert.equal((await askHealth(service, 'livez')).status, 200)
      }
      await wait(faultMs / 2)
      await until(() => load.refused() > before.refused)
      assert.ok((await figure(collector, 'process_resident_memory_bytes')) < residentBytesMax)
      const atEnd = load.acknowledged.size
      await kafka.suffer({ kind: 'none' })
      for (const [, service] of running) await isWell(service)
      await until(() => load.acknowledged.size > atEnd + 100)
    }
    await load.stop()
    await scene.folded()
    for (const [, service] of running)
      assert.equal(await service.stop('SIGTERM'), 0, service.output())
    const stored = await scene.store.query<{ event_id: string }>(
      'SELECT event_id FROM clicks FINAL ORDER BY ALL',
    )
    const ids = new Set(stored.map(row => row.event_id))
    assert.equal(ids.size, stored.length, 'none stands there twice')
    assert.deepEqual(
      [...load.acknowledged].filter(id => !ids.has(id)),
      [],
    )
    await assertExact(scene.log, scene.store, 0)
  })
