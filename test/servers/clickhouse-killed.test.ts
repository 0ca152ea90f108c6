/**
 * ClickHouse is killed with -9 while it inserts, and its disk is full (faults 9 and 11). Processors wait and go on;
 * nothing that progress covers is missing, and at the end the tables are what the pure fold makes of the log.
 *
 * $EBB_KILLS: how often it is killed; 40 in a full run.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { assertExact, reached } from './compare.ts'
import { insertsInto } from './proxy.ts'
import { beginScene, complains, isWell, sceneMsMax } from './scene.ts'
import { smallDisk } from './small-disk.ts'

const kills = Number(process.env.EBB_KILLS ?? 4)
const alertsMin = 300
const tables = ['clicks', 'sessions', 'users', 'progress']
const diskMiB = 160
/** Too little for an insert of ours with the merges beside it. */
const leftBytes = 256 * 1024

// Its own: a scene uses the usual project's topics.
const brokers = await brokersForTest(1, { own: true })

if (typeof brokers === 'string') test('ClickHouse killed', { skip: brokers }, () => {})
else
  describe('ClickHouse', () => {
    after(() => brokers.stop())

    test('is killed with -9 in the middle of inserts and starts again on its directory', {
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses)
      const processor = await scene.start('processor', ...scene.servers)
      for (let kill = 1; kill <= kills; kill++) {
        const request = insertsInto(tables[kill % tables.length]!)
        const inserting = scene.proxy.strikes()
        await scene.proxy.suffer({ kind: 'slow', delayMs: 0, request }, 1)
        const poured = scene.pour((0.9 * kill) / kills)
        await inserting
        await scene.stopClickHouse('SIGKILL')
        await poured
        await complains(processor, /Partition \d waits: ClickHouse refused/)
        await scene.startClickHouse()
        await scene.folded()
      }
      await scene.pour(1)
      await scene.folded()
      await isWell(processor)
      assert.equal(await processor.stop('SIGTERM'), 0, processor.output())
      await assertExact(scene.log, scene.store, alertsMin)
    })

    const disk = smallDisk(diskMiB)
    after(() => disk?.remove())
    const skip = disk === undefined && 'Mounting a small disk needs root.'
    test('has a full disk: progress waits with the rows, and goes on when there is room', {
      skip,
      timeout: sceneMsMax,
    }, async t => {
      const scene = await beginScene(t, brokers.addresses, { data: disk!.directory })
      const first = await scene.start('processor', ...scene.servers)
      await scene.pour(0.3)
      await scene.folded()
      disk!.fill(leftBytes)
      await scene.pour(0.7)
      await complains(first, /Partition \d waits: ClickHouse refused .*(243|75)/)
      const { folded, ends } = await reached(scene.log, scene.store)
      assert.ok(folded < ends, 'progress waits')
      // Whatever only seemed to be stored goes with them.
      await first.stop('SIGKILL')
      await scene.stopClickHouse('SIGKILL')
      disk!.clear()
      await scene.startClickHouse()
      const second = await scene.start('processor', ...scene.servers)
      await scene.pour(1)
      await scene.folded()
      await isWell(second)
      assert.equal(await second.stop('SIGTERM'), 0, second.output())
      await assertExact(scene.log, scene.store, alertsMin)
    })
  })
