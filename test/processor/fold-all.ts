/** Runs the real processor over a log until its tables hold all of it. */
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { startProcessor } from '../../services/processor/processor.ts'
import type { Store } from '../../services/store/store.ts'
import { type ShopOptions, shopLog } from './shop.ts'

const topicSettings = {
  retentionMs: Number.POSITIVE_INFINITY,
  retentionBytes: Number.POSITIVE_INFINITY,
}

export async function makeTopics(log: Log, partitions: number): Promise<void> {
  for (const topic of ['clicks', 'alerts'])
    await log.ensure(topic, { partitions, ...topicSettings })
}

/** A shop's clicks onto a log whose clock is told when they came, as pieces of a hundred come. */
export async function pourShop(
  log: Log,
  shop: ShopOptions,
  partitions: number,
  setClock: (nowMs: number) => void,
): Promise<void> {
  await makeTopics(log, partitions)
  for (const [partition, entries] of shopLog(shop, partitions).entries())
    for (let at = 0; at < entries.length; at += 100) {
      const some = entries.slice(at, at + 100)
      setClock(some[0]!.atMs)
      const batch = some.map(({ record }) => record)
      await log.append('clicks', partition, batch)
    }
}

/** The same on a log in memory. */
export async function openShop(shop: ShopOptions, partitions: number): Promise<Log> {
  let nowMs = 0
  const log = openMemoryLog({ clock: () => nowMs })
  await pourShop(log, shop, partitions, atMs => {
    nowMs = atMs
  })
  return log
}

/** The tables after one processor folded all of the log without interruption; then they are empty again. */
export async function tablesOfOneRun(log: Log, store: Store) {
  await foldAll({ ...log, append: async () => 0 }, store)
  const tables = await readTables(store)
  for (const table of Object.keys(tables)) await store.command(`TRUNCATE TABLE ${table}`)
  return tables
}

/** `dueMax`: as in services/processor/record-fold.ts. */
export async function foldAll(log: Log, store: Store, dueMax?: number): Promise<void> {
  const partitions = await log.partitions('clicks')
  const ends: number[] = []
  for (let partition = 0; partition < partitions; partition++)
    ends.push((await log.bounds('clicks', partition)).endOffset)
  const reached = new Array<number>(partitions).fill(-1)
  await new Promise<void>((resolve, reject) => {
    const moved = (partition: number, nextOffset: number) => {
      reached[partition] = nextOffset
      if (ends.every((end, at) => reached[at]! >= end)) stopWhenReady.then(() => resolve(), reject)
    }
    const stopWhenReady: Promise<void> = startProcessor({
      log,
      store,
      topic: 'clicks',
      partitions,
      alertsTopic: 'alerts',
      alertsPartitions: partitions,
      project: 'default',
      epoch: 0,
      dueMax,
      troubled: (_partition, error) => reject(error),
      failed: (_partition, error) => reject(error),
      opened: moved,
      flushed: (partition, _state, nextOffset) => moved(partition, nextOffset),
    }).then(processor => {
      running = processor
    })
  }).finally(async () => {
    await running?.stop()
    running = undefined
  })
}

let running: Awaited<ReturnType<typeof startProcessor>> | undefined

/** All that the tables say, in one order, without what only the wall clock made. */
export async function readTables(store: Store): Promise<Record<string, unknown[]>> {
  const tables: Record<string, string> = {
    clicks: 'SELECT * FROM clicks FINAL ORDER BY partition, offset',
    rejects: 'SELECT * EXCEPT seen_at FROM rejects FINAL ORDER BY partition, offset, index',
    sessions: 'SELECT * FROM sessions FINAL ORDER BY slot, user_id, session_id, part',
    users: 'SELECT * FROM users FINAL ORDER BY slot, user_id',
    user_days: 'SELECT * FROM user_days FINAL ORDER BY day, slot, user_id',
    alerts: 'SELECT * FROM alerts FINAL ORDER BY message_id',
    progress: 'SELECT * EXCEPT written_at FROM progress FINAL ORDER BY partition',
  }
  const rows: Record<string, unknown[]> = {}
  for (const [table, sql] of Object.entries(tables)) rows[table] = await store.query(sql)
  return rows
}
