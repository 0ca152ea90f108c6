/** What the doctor says of clocks: on a log in memory, whose end is what collectors left there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examineClocks } from '../../services/doctor/clocks.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Click } from '../../services/log/record.ts'
import type { Store } from '../../services/store/store.ts'

const startMs = Date.UTC(2026, 0, 1)
const partitions = 4
const limits = { retentionMs: Number.POSITIVE_INFINITY, retentionBytes: Number.POSITIVE_INFINITY }

/** `offMs`: by how much the writer's clock is ahead of the log's. */
async function openScene() {
  let nowMs = startMs
  const clock = () => nowMs
  const log = openMemoryLog({ clock })
  await log.ensure('clicks', { partitions, ...limits })
  const append = (partition: number, ...values: Buffer[]) =>
    log.append(
      'clicks',
      partition,
      values.map(value => ({ key: null, value })),
    )
  return {
    pass: (ms: number) => {
      nowMs += ms
    },
    append,
    tick: (partition: number, writer: string, offMs = 0) =>
      append(partition, encodeRecord({ kind: 'tick', atMs: nowMs + offMs, writer })),
    clicks: (partition: number, count: number, offMs = 0, changes: Partial<Click> = {}) => {
      const value = encodeRecord({ ...click, receivedAtMs: nowMs + offMs, ...changes })
      return append(partition, ...new Array<Buffer>(count).fill(value))
    },
    async says(ours = clock): Promise<string> {
      const clocks = { clock: ours, wallClock: ours, replay: false }
      const store = {} as Store
      const source = { log, store, clicksTopic: 'clicks', partitions, ...clocks }
      const checks = await examineClocks(source)
      return checks.map(({ level, says }) => `${level} ${says}`).join('\n')
    },
  }
}

const click: Click = {
  ...{ kind: 'click', eventId: 'e', userId: 'ada', anonymousId: null, type: 'track', name: 'home' },
  ...{ timestampMs: startMs, receivedAtMs: startMs, url: null, referrer: null, value: null },
  ...{ currency: null, orderId: null, properties: '', context: '', imported: false },
}
const well = 'ok The log agrees with us and with who writes to it.'

test('where nothing was written by a collector, no clock is said to be well', async () => {
  const { says, append, clicks } = await openScene()
  assert.match(await says(), /^warn No tick seen/)
  await clicks(0, 3, -3_600_000, { imported: true })
  await append(1, Buffer.from('{"userId":"ada","receivedAt":"2020-01-01T00:00:00Z"}'))
  assert.match(await says(), /^warn No tick seen/)
})

test('what a rebuild appends came to a collector long ago, and tells of no clock', async () => {
  const { says, tick, clicks } = await openScene()
  const weekMs = 7 * 86_400_000
  await clicks(0, 3, -weekMs, { judgedMs: startMs - weekMs })
  assert.match(await says(), /^warn No tick seen/)
  await tick(0, 'a')
  assert.equal(await says(), well)
})

test('clocks that agree within 5 s are well', async () => {
  const { says, tick, clicks } = await openScene()
  await tick(0, 'a', 5_000)
  await tick(1, 'b', -5_000)
  await clicks(2, 1, -4_000)
  assert.equal(await says(), well)
})

test('a skewed collector is seen wherever it ticks, beside one that is well', async () => {
  for (const partition of [0, 3]) {
    const { says, tick } = await openScene()
    for (let each = 0; each < partitions; each++) await tick(each, 'b')
    await tick(partition, 'a', -3_600_000)
    for (let each = 0; each < partitions; each++) await tick(each, 'b')
    assert.equal(
      await says(),
      "wrong A collector's clock (a) is 60 min behind the log's: set both by NTP.",
    )
  }
})

test('of two collectors with one name the skewed one is seen, whoever ticked last', async () => {
  const { says, tick } = await openScene()
  await tick(2, 'http://0.0.0.0:8080', 60_000)
  await tick(2, 'http://0.0.0.0:8080')
  assert.match(await says(), /A collector's clock \(\S+\) is 60 s ahead of the log's/)
})

test('a clock that was set since, and a collector that is gone, are history', async () => {
  const { says, tick, pass } = await openScene()
  await tick(0, 'a', 3_600_000)
  pass(20_000)
  await tick(0, 'a')
  assert.equal(await says(), well)
})

test('a partition so busy that its ticks are far back tells by its clicks', async () => {
  const { says, tick, clicks } = await openScene()
  await tick(0, 'a')
  await clicks(0, 2_000, 60_000)
  assert.match(await says(), /^wrong A collector's clock is 60 s ahead of the log's/)
  await clicks(0, 2_000)
  assert.equal(await says(), well)
  await clicks(0, 500, -60_000)
  await clicks(0, 300)
  assert.match(await says(), /^warn A click came to the log 60 s after a collector took it/)
})

test('ticks are found among the clicks of some seconds', async () => {
  const { says, tick, clicks } = await openScene()
  await tick(1, 'a', -60_000)
  await clicks(1, 900)
  assert.match(await says(), /A collector's clock \(a\) is 60 s behind the log's/)
})

test("a log's clock that is ahead of ours", async () => {
  const { says, tick } = await openScene()
  await tick(0, 'a')
  const behind = () => startMs - 60_000
  assert.equal(await says(behind), "wrong The log's clock is 60 s ahead of ours: set both by NTP.")
})
