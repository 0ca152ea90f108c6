/** The services with doors, without ClickHouse: clicks are taken, the page says what is wrong, webhooks go out once. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { wallClock } from '../../services/base/time.ts'
import { encodeAlert } from '../../services/log/codec.ts'
import { addEndpoint, openSecretKey } from '../../services/webhooks/endpoints.ts'
import { alert, startHook } from '../webhooks/fixture.ts'
import { alertsTopic, assertExact } from './compare.ts'
import { insertsInto } from './proxy.ts'
import {
  askHealth,
  beginScene,
  complains,
  figure,
  isWell,
  partitions,
  type Scene,
  sceneMsMax,
  until,
} from './scene.ts'
import { startService } from './services.ts'

// Its own: a scene uses the usual project's topics.
const brokers = await brokersForTest(1, { own: true })

async function postBatch(door: string, batch: readonly object[]): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ batch })
  return (await fetch(`${door}/v1/batch`, { method: 'POST', headers, body })).status
}

const click = (at: number) => ({
  type: 'track',
  userId: `u${at % 7}`,
  event: 'Seen',
  messageId: `m${at}`,
})

/** Silences that have just fired. */
async function fire(scene: Scene, users: readonly string[]): Promise<void> {
  for (const user of users) {
    const nowMs = wallClock()
    const record = alert(user, { dueMs: nowMs, clockMs: nowMs })
    const stored = { key: user, value: encodeAlert(record) }
    await scene.log.append(alertsTopic, partitionOf(user, partitions), [stored])
  }
}

const usersOf = (round: string) => Array.from({ length: 12 }, (_, at) => `${round}${at}`)

if (typeof brokers === 'string') test('doors without ClickHouse', { skip: brokers }, () => {})
else
  describe('without ClickHouse', () => {
    after(() => brokers.stop())

    test('the collector takes clicks and keeps rejects; the page and health say what is wrong', {
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses, { clicks: 0 })
      const collector = await scene.start('collector', ...scene.servers, '--port', '0')
      const web = await scene.start('web', ...scene.servers, '--port', '0')
      const [, door] = /Clicks go to (\S+)\/v1\/track/.exec(collector.output())!
      const [, page] = /The page is (\S+)\.\n/.exec(web.output())!
      const readPage = () => fetch(`${page}/api/snapshot`)
      const readTrouble = async () => {
        const { trouble } = (await (await readPage()).json()) as { trouble: string | null }
        return trouble
      }
      assert.equal(await postBatch(door!, [click(0), { type: 'track', event: 'nobody' }]), 200)
      assert.equal((await readPage()).status, 200)

      await scene.proxy.suffer({ kind: 'refused' })
      for (let at = 1; at < 40; at++)
        assert.equal(
          await postBatch(door!, [click(at), { type: 'track', event: `bad ${at}` }]),
          200,
        )
      await complains(web, /ClickHouse refused a query: .*ECONNREFUSED/)
      assert.equal(await readTrouble(), 'storeSilent')
      await until(async () => {
        const { status, text } = await askHealth(collector, 'readyz')
        assert.equal(status, 200, 'the log is what counts')
        return text.startsWith('ok\nClickHouse refused') && text.includes('rows of rejects')
      })

      // The first try after it is stored, and its answer is lost.
      const request = insertsInto('rejects')
      await scene.proxy.suffer({ kind: 'cut', of: 'answer', bytes: 0, request }, 1)
      await isWell(web)
      await until(async () => (await askHealth(collector, 'readyz')).text === 'ok\n')
      assert.equal(await readTrouble(), null)
      await scene.proxy.suffer({ kind: 'silent' })
      assert.equal(await readTrouble(), 'storeSilent', 'long before the query is given up')
      assert.equal(await web.stop('SIGTERM'), 0)
      await scene.proxy.suffer({ kind: 'none' })

      const [rejects] = await scene.store.query<{ count: string }>(
        "SELECT count() AS count FROM rejects FINAL WHERE source = 'collector'",
      )
      assert.equal(rejects!.count, '40')
      const processor = await scene.start('processor', ...scene.servers)
      await scene.folded()
      assert.equal(await processor.stop('SIGTERM'), 0)
      assert.equal(await collector.stop('SIGTERM'), 0)
      const [clicks] = await scene.store.query<{ count: string }>(
        'SELECT count() AS count FROM clicks FINAL',
      )
      assert.equal(clicks!.count, '40')
      await assertExact(scene.log, scene.store, 0)
    })

    test('a service that starts without ClickHouse opens its health door, says why, and starts later', {
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses, { clicks: 0 })
      await scene.proxy.suffer({ kind: 'refused' })
      const collector = startService(['collector', ...scene.servers, '--port', '0'], scene.cwd)
      t.after(() => collector.stop('SIGKILL'))
      await collector.says(/health {3}http\S+\/readyz/)
      const reason =
        /^ClickHouse refused the database ebb: connect ECONNREFUSED .*, since \d{4}-.*Z\. Ebb tries again/
      await complains(collector, reason)
      assert.equal((await askHealth(collector, 'livez')).status, 200)
      assert.ok((await figure(collector, 'ebb_faults')) > 0)
      const silent = startService(['webhooks', ...scene.servers], scene.cwd)
      t.after(() => silent.stop('SIGKILL'))
      await silent.says(/health {3}http/)
      assert.equal(await silent.stop('SIGTERM'), 0, 'it can be stopped before')
      await scene.proxy.suffer({ kind: 'none' })
      await collector.says(/topic {2}/)
      await isWell(collector)
      const [, door] = /Clicks go to (\S+)\/v1\/track/.exec(collector.output())!
      assert.equal(await postBatch(door!, [click(0)]), 200)
      assert.equal(await collector.stop('SIGTERM'), 0, collector.output())
    })

    test('webhooks wait, and each message goes out once', { timeout: sceneMsMax }, async t => {
      const scene = await beginScene(t, brokers.addresses, { clicks: 0 })
      const hook = await startHook(async (response, nth) => {
        if (nth === 37) await scene.proxy.suffer({ kind: 'refused' })
        response.writeHead(204).end()
      })
      t.after(() => hook.stop())
      // The tables come with the first service.
      const first = await scene.start('webhooks', ...scene.servers)
      assert.equal(await first.stop('SIGTERM'), 0)
      const key = await openSecretKey(scene.store, join(scene.cwd, 'data'))
      await addEndpoint(scene.store, key, hook.url, wallClock())
      const webhooks = await scene.start('webhooks', ...scene.servers)
      await fire(scene, usersOf('before'))
      await hook.count(12)

      await scene.proxy.suffer({ kind: 'refused' })
      await fire(scene, usersOf('away'))
      await complains(webhooks, /ClickHouse refused a query: .*ECONNREFUSED/)
      assert.equal(hook.hits.length, 12, 'what is not stored as pending is not sent')
      await scene.proxy.suffer({ kind: 'none' })
      await hook.count(24)

      // New deliveries, what came of them: stored, and nobody hears of it.
      const request = insertsInto('deliveries')
      await scene.proxy.suffer({ kind: 'cut', of: 'answer', bytes: 0, request }, 3)
      await fire(scene, usersOf('lost'))
      await hook.count(36)
      await until(() => scene.proxy.struck() === 3)

      // The receiver has it, and that cannot be stored yet.
      await scene.proxy.suffer({ kind: 'none' })
      await fire(scene, ['last'])
      await complains(webhooks, /ClickHouse refused rows of deliveries: .*ECONNREFUSED/)
      await scene.proxy.suffer({ kind: 'none' })
      await isWell(webhooks)
      await until(async () => {
        const [row] = await scene.store.query<{ count: string }>(
          "SELECT uniqExact(message_id) AS count FROM deliveries WHERE status = 'delivered'",
        )
        return Number(row!.count) === 37
      })

      // What does not pass by itself: somebody mends it.
      await scene.store.command('RENAME TABLE deliveries TO away')
      await fire(scene, ['mended'])
      await complains(webhooks, /ClickHouse refused a query \(60 UNKNOWN_TABLE\)/)
      await scene.store.command('RENAME TABLE away TO deliveries')
      await hook.count(38)
      await isWell(webhooks)
      assert.equal(await webhooks.stop('SIGTERM'), 0)
      assert.equal(new Set(hook.hits.map(hit => hit.id)).size, 38)
      assert.equal(hook.hits.length, 38, 'none twice')
    })
  })
