/**
 * Kafka out of sight: a collector, a processor and the webhooks are not ready, say since when and what they do about
 * it, stay alive, and are ready again by themselves.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { startKafkaProxy } from './proxy.ts'
import { askHealth, beginScene, complains, isWell, sceneMsMax } from './scene.ts'
import type { Service } from './services.ts'

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

/** What each says while Kafka is away. */
const says: Record<string, RegExp> = {
  collector: /The log does not answer.*, since \d{4}-.*Z\. Clients are answered 503/,
  processor: /group ebb\.clicks\.processor does not answer.*, since \d{4}-.*Z\. Ebb asks until/,
  webhooks: /group webhooks does not answer.*, since \d{4}-.*Z\. Ebb asks until/,
}

if (typeof brokers === 'string') test('Kafka away', { skip: brokers }, () => {})
else
  test('services that cannot see Kafka are not ready, and are again when they can', {
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
    for (const kind of ['silent', 'refused'] as const) {
      await kafka.suffer({ kind })
      for (const [name, service] of running) {
        await complains(service, says[name]!)
        assert.equal((await askHealth(service, 'livez')).status, 200)
      }
      await kafka.suffer({ kind: 'none' })
      for (const [, service] of running) await isWell(service)
    }
    for (const [, service] of running)
      assert.equal(await service.stop('SIGTERM'), 0, service.output())
  })
