/** A producer sends a whole hour once more (fault 24): it is counted, and changes no session, user or alert. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { decodeRecord } from '../../services/log/codec.ts'
import type { NewRecord } from '../../services/log/log.ts'
import { assertExact, clicksTopic, foundIn } from './compare.ts'
import { beginScene, partitions, type Scene, sceneMsMax } from './scene.ts'

const hourMs = 3_600_000
const alertsMin = 300

const brokers = await brokersForTest(1, { own: true })
after(() => (typeof brokers === 'string' ? undefined : brokers.stop()))

/** The clicks of one hour by their arrival, as they stand on the log: the last one, or so many hours before. */
async function clicksOfHour(
  { log }: Scene,
  partition: number,
  hoursBefore: number,
): Promise<NewRecord[]> {
  const clicks: { readonly receivedAtMs: number; readonly record: NewRecord }[] = []
  const { endOffset } = await log.bounds(clicksTopic, partition)
  for (let offset = 0; offset < endOffset; ) {
    for (const stored of await log.read(clicksTopic, partition, offset, 1 << 20)) {
      offset = stored.offset + 1
      const record = decodeRecord(stored.value)
      if (record.kind !== 'click') continue
      const { key, value } = stored
      clicks.push({ receivedAtMs: record.receivedAtMs!, record: { key, value } })
    }
  }
  const endMs = clicks.at(-1)!.receivedAtMs - hoursBefore * hourMs
  return clicks
    .filter(({ receivedAtMs }) => receivedAtMs > endMs - hourMs && receivedAtMs <= endMs)
    .map(({ record }) => record)
}

if (typeof brokers === 'string') test('a replayed hour', { skip: brokers }, () => {})
else
  test('a whole hour is produced once more: it is counted, and nothing else changes', {
    timeout: sceneMsMax,
  }, async t => {
    const scene = await beginScene(t, brokers.addresses)
    const processor = await scene.start('processor', ...scene.servers)
    await scene.pour(1)
    await scene.folded()
    const before = await foundIn(scene.store)
    const rejected = async () => {
      const [row] = await scene.store.query<{ rejects: string }>(
        "SELECT count() AS rejects FROM rejects FINAL WHERE source = 'log' AND kind IN ('duplicate', 'late', 'aside')",
      )
      return Number(row!.rejects)
    }
    const counted = await rejected()
    let again = 0
    for (const hoursBefore of [0, 30])
      for (let partition = 0; partition < partitions; partition++) {
        const records = await clicksOfHour(scene, partition, hoursBefore)
        again += records.length
        await scene.log.append(clicksTopic, partition, records)
      }
    assert.ok(again > 150, `${again} clicks come again`)
    await scene.folded()
    assert.deepEqual(await foundIn(scene.store), before)
    assert.equal(await rejected(), counted + again, 'each is counted, with its place')
    await assertExact(scene.log, scene.store, alertsMin)
    assert.equal(await processor.stop('SIGTERM'), 0, processor.output())
  })
