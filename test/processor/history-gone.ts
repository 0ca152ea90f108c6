/** What becomes of a partition whose log and tables no longer fit together, on any log. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { acceptLoss } from '../../services/processor/restore.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { readTables } from './fold-all.ts'
import { startMember } from './members.ts'
import { shopLog, shopStartMs } from './shop.ts'

/** Topics `clicks` and `alerts` with one partition each, empty at first. */
export interface Stage {
  log(): Log
  /** Drops the records before this offset, which begins a batch. */
  dropBefore(offset: number): Promise<void>
  /** Makes the topic clicks anew, empty. */
  makeAnew(): Promise<void>
}

const batchRecords = 100
const shop = shopLog({ seed: 11, clicks: 1_500, users: 60, stepMs: 600_000 }, 1)[0]!

/** Appends the shop's records up to `end`, from where the log ends. */
async function pour(log: Log, end: number): Promise<void> {
  const { endOffset } = await log.bounds('clicks', 0)
  for (let at = endOffset; at < end; at += batchRecords) {
    const piece = shop.slice(at, Math.min(end, at + batchRecords))
    const records = piece.map(entry => entry.record)
    await log.append('clicks', 0, records)
  }
}

/** Folds all there is; resolves to the offset that it began at. */
async function foldOn(log: Log, store: Store): Promise<number> {
  const member = await startMember(log, store)
  const offset = await member.open(0)
  await member.feed(0, Number.POSITIVE_INFINITY)
  await member.giveBack(0)
  await member.stop()
  return offset
}

/** Nothing is folded, nothing is written, and the sentence says these things. */
async function refuses(log: Log, store: Store, code: string, says: readonly RegExp[]) {
  const before = await readTables(store)
  const member = await startMember(log, store)
  for (const message of says) await assert.rejects(member.open(0), { code, message })
  await member.stop()
  assert.deepEqual(await readTables(store), before)
}

export function historyGone(open: (t: TestContext) => Promise<Stage>): void {
  test('tables from an older backup: the log is folded again from there', async t => {
    const [stage, store] = [await open(t), await openMigrated(t)]
    const log = stage.log()
    await pour(log, 600)
    await foldOn(log, store)
    const tables = Object.keys(await readTables(store))
    for (const table of tables) {
      await store.command(`CREATE TABLE backup_${table} AS ${table}`)
      await store.command(`INSERT INTO backup_${table} SELECT * FROM ${table}`)
    }
    await pour(log, 1_500)
    await foldOn(log, store)
    const whole = await readTables(store)
    for (const table of tables) {
      await store.command(`TRUNCATE TABLE ${table}`)
      await store.command(`INSERT INTO ${table} SELECT * FROM backup_${table}`)
    }
    assert.equal(await foldOn(log, store), 600)
    assert.deepEqual(await readTables(store), whole)
    assert.ok(whole.alerts!.length > 0, 'there were alerts to tell again')
  })

  test('retention passed the tables: it says how many records are gone, and stops', async t => {
    const [stage, store] = [await open(t), await openMigrated(t)]
    await pour(stage.log(), 300)
    await foldOn(stage.log(), store)
    await pour(stage.log(), 1_000)
    await stage.dropBefore(700)
    await refuses(stage.log(), store, 'offsetGone', [
      /^400 records of clicks partition 0 are gone that were never folded/,
      /at 700 and later.*before 300/,
      /Restore a backup of ClickHouse that reaches to 700.*keep its records for longer.*new project/,
    ])
  })

  test('nothing is folded and the first records are gone: it stops until they are taken for lost', async t => {
    const [stage, store] = [await open(t), await openMigrated(t)]
    await pour(stage.log(), 500)
    await stage.dropBefore(200)
    await refuses(stage.log(), store, 'offsetGone', [
      /^The first 200 records of clicks partition 0 are gone, and the tables hold nothing of it/,
      /Restore a backup of ClickHouse.*else give ebb log begin.*start the processors again/,
    ])
    const accept = async () => {
      const told: string[] = []
      const source = { log: stage.log(), store, topic: 'clicks', partitions: 1, epoch: 0 }
      const tell = (sentence: string) => told.push(sentence)
      await acceptLoss({ ...source, project: 'default' }, () => shopStartMs, tell)
      return told
    }
    assert.deepEqual(await accept(), [
      'clicks partition 0 begins at 200: what stood before is lost.',
    ])
    assert.deepEqual(await accept(), [], 'once')
    assert.equal(await foldOn(stage.log(), store), 200)
    const { clicks } = await readTables(store)
    assert.ok(clicks!.length > 200, `${clicks!.length} clicks of those that are there`)
    // Where something was folded, what is gone since is not taken for lost.
    await pour(stage.log(), 1_000)
    await stage.dropBefore(700)
    assert.deepEqual(await accept(), [])
    await refuses(stage.log(), store, 'offsetGone', [/^200 records of .* that were never folded/])
  })

  test('a log that ends before the tables: it says how many records are gone, and stops', async t => {
    const [stage, store] = [await open(t), await openMigrated(t)]
    await pour(stage.log(), 700)
    await foldOn(stage.log(), store)
    await stage.makeAnew()
    await pour(stage.log(), 500)
    await refuses(stage.log(), store, 'topicMismatch', [
      /^200 records of clicks partition 0 are gone that were folded: the log ends at 500/,
      /Bring the missing records back.*or restore a backup of ClickHouse that reaches to 500 at most/,
      /made anew.*new project/,
    ])
  })

  test('another log in the place of the one that was folded is refused', async t => {
    const [stage, store] = [await open(t), await openMigrated(t)]
    await pour(stage.log(), 300)
    await foldOn(stage.log(), store)
    await stage.makeAnew()
    const tick = encodeRecord({ kind: 'tick', atMs: shopStartMs, writer: 'another' })
    await stage.log().append('clicks', 0, new Array(400).fill({ key: null, value: tick }))
    await refuses(stage.log(), store, 'topicMismatch', [
      /another record at 299 than the one that was folded/,
      /up to 300 records of it are gone/,
      /addresses of Kafka and ClickHouse.*new project/,
    ])
  })
}
