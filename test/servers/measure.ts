/**
 * What one processor takes: records folded per second and bytes of memory per user.
 *
 *   node --expose-gc test/servers/measure.ts [clicks] [users] [host:port of Kafka] [URL of ClickHouse]
 *
 * With servers: from their log into their tables, in a project of its own. Without: the fold and the making of
 * rows alone, from a log in memory into nowhere.
 */
import { createLogger } from '../../services/base/logger.ts'
import { steadyClock, wallClock } from '../../services/base/time.ts'
import { openKafkaLog } from '../../services/log/kafka.ts'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { startProcessor } from '../../services/processor/processor.ts'
import { migrate } from '../../services/store/migrate.ts'
import { openServerStore } from '../../services/store/server.ts'
import type { Store } from '../../services/store/store.ts'
import { shopLog } from '../processor/shop.ts'

const partitions = 4
const batchRecords = 500
const [clicks = 200_000, users = 50_000] = process.argv.slice(2, 4).map(Number)
const [kafka, clickhouse] = process.argv.slice(4)
const name = `measure${process.pid}`

const nowhere: Store = {
  query: async () => [],
  scan: async () => Buffer.alloc(0),
  insert: async () => {},
  command: async () => {},
  close: async () => {},
}

async function openLog(): Promise<Log> {
  if (kafka === undefined) return openMemoryLog({ clock: wallClock })
  return openKafkaLog({ brokers: kafka.split(','), logger: createLogger() })
}

async function openStore(): Promise<Store> {
  if (clickhouse === undefined) return nowhere
  const store = await openServerStore({ url: clickhouse, database: name, user: 'writer' })
  await migrate(store)
  return store
}

async function fill(log: Log): Promise<number> {
  const limits = { retentionMs: 86_400_000, retentionBytes: Number.POSITIVE_INFINITY }
  for (const topic of ['clicks', 'alerts'])
    await log.ensure(`${name}.${topic}`, { partitions, ...limits })
  let records = 0
  // One click of the whole shop each second and a half: most users come back.
  const entries = shopLog({ seed: 7, clicks, users, stepMs: 1_500 }, partitions)
  for (const [partition, of] of entries.entries())
    for (let at = 0; at < of.length; at += batchRecords) {
      const batch = of.slice(at, at + batchRecords).map(entry => entry.record)
      await log.append(`${name}.clicks`, partition, batch)
      records += batch.length
    }
  return records
}

function heapBytes(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const log = await openLog()
const store = await openStore()
const records = await fill(log)
const before = heapBytes()
const startedAtMs = steadyClock()
const folded = Promise.withResolvers<void>()
const reached = new Array<number>(partitions).fill(0)
const processor = await startProcessor({
  ...{ log, store, partitions, topic: `${name}.clicks`, project: name, epoch: 0 },
  ...{ alertsTopic: `${name}.alerts`, alertsPartitions: partitions },
  troubled: (_partition, error) => folded.reject(error),
  failed: (_partition, error) => folded.reject(error),
  flushed(partition, _state, nextOffset) {
    reached[partition] = nextOffset
    if (reached.reduce((sum, offset) => sum + offset) >= records) folded.resolve()
  },
})
await folded.promise
const seconds = (steadyClock() - startedAtMs) / 1000
let held = 0
for (const { state } of processor.partitions.values()) held += state.users.size
const grown = heapBytes() - before
const rss = process.memoryUsage().rss
console.log(
  `${records} records of ${held} users in ${seconds.toFixed(1)} s: ${Math.round(records / seconds)} a second; ` +
    `${Math.round(grown / held)} bytes of heap a user, the process ${Math.round(rss / 2 ** 20)} MiB`,
)
await processor.stop()
await log.close()
await store.close()
process.exit(0)
