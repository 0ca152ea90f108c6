/**
 * What operators do to a running Ebb: brokers are restarted one after the other, in order and by kill -9 (fault 18),
 * and every service gets SIGTERM in the middle of its work (fault 40). Each click that was confirmed stands in the
 * tables once, and whoever is told to stop does so in order: a service that takes more than 10 s ends with status 1.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { freePort } from '../control/ebb.ts'
import { checkBooks } from '../soak/books.ts'
import { appendRule } from '../soak/scene.ts'
import { createSender, type Sender } from '../soak/sender.ts'
import { beginScene, isWell, type Scene, sceneMsMax } from './scene.ts'
import type { Service } from './services.ts'

const clicksPerSecond = 200
const seed = 5

const brokers = await brokersForTest(3, { own: true })

interface Running {
  readonly scene: Scene
  readonly sender: Sender
  /** Two of each that come and go, and the webhooks. */
  readonly services: Map<string, Service>
  /** Starts the service of that name, as it was started first. */
  begin(name: string): Promise<void>
}

async function run(t: TestContext, addresses: readonly string[]): Promise<Running> {
  const keys = mkdtempSync(join(tmpdir(), 'ebb-keys-'))
  t.after(() => rmSync(keys, { recursive: true, force: true }))
  const scene = await beginScene(t, addresses, { clicks: 0 })
  await appendRule(scene.log)
  const ports = [await freePort(), await freePort()]
  const ways = new Map<string, readonly string[]>([
    ['first processor', ['processor', ...scene.servers]],
    ['second processor', ['processor', ...scene.servers]],
    ['first collector', ['collector', ...scene.servers, '--port', String(ports[0])]],
    ['second collector', ['collector', ...scene.servers, '--port', String(ports[1])]],
    ['webhooks', ['webhooks', ...scene.servers, '--keys', keys]],
  ])
  const services = new Map<string, Service>()
  const begin = async (name: string) => {
    services.set(name, await scene.start(...ways.get(name)!))
  }
  for (const name of ways.keys()) await begin(name)
  const urls = ports.map(port => `http://127.0.0.1:${port}`)
  return { scene, sender: createSender(urls, seed), services, begin }
}

/** Clicks come until `work` is over. Then the books. */
async function underLoad(running: Running, work: () => Promise<void>): Promise<void> {
  const { scene, sender, services } = running
  const worked = work()
  await sender.run(clicksPerSecond, worked)
  await worked
  const stop = async (names: RegExp) => {
    for (const [name, service] of services) {
      if (!names.test(name)) continue
      await isWell(service)
      assert.equal(await service.stop('SIGTERM'), 0, service.output())
    }
  }
  // Collectors write as long as they run: who folds ends behind them.
  await stop(/collector/)
  await scene.folded()
  await stop(/processor|webhooks/)
  const { faults, ...books } = await checkBooks(scene.log, scene.store, sender.counts)
  assert.deepEqual(faults, [])
  assert.ok(books.received > 1_000, `${books.received} clicks to lose`)
}

if (typeof brokers === 'string') test('everybody stops', { skip: brokers }, () => {})
else
  describe('under load', () => {
    after(() => brokers.stop())

    test('three brokers are restarted one after the other, then killed one after the other', {
      timeout: sceneMsMax,
    }, async t => {
      const running = await run(t, brokers.addresses)
      await underLoad(running, async () => {
        for (const signal of ['SIGTERM', 'SIGKILL'] as const)
          for (const broker of brokers.addresses.keys()) {
            await brokers.signal(broker, signal)
            await brokers.restarted(broker)
          }
      })
    })

    test('every service gets SIGTERM in the middle of its work, and is gone within 10 s', {
      timeout: sceneMsMax,
    }, async t => {
      const running = await run(t, brokers.addresses)
      const { services, begin } = running
      await underLoad(running, async () => {
        for (const [name, service] of [...services]) {
          assert.equal(await service.stop('SIGTERM'), 0, service.output())
          await begin(name)
        }
      })
    })
  })
