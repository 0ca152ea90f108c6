/**
 * How fast a processor has its state back and folds on: users, open sessions with the ids of their clicks, timers.
 *
 *   npm run bench:restore -- --users 1000000 [--kind open | known]
 *
 * The rows of a small shop that was really folded stand for all: its users are copied under other names. `open`: those
 * with an open session; `known`: all as they are two hours later, when all sessions
 * are closed. ClickHouse runs in this process. Beside the
 * wall clock stands the processor time: on a busy machine the former says little.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { steadyClock } from '../../services/base/time.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { placeOfRow } from '../../services/processor/fold/packed-rows.ts'
import { readDueFacts } from '../../services/processor/fold/user-row.ts'
import { createRecordFold } from '../../services/processor/record-fold.ts'
import { restore } from '../../services/processor/restore.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import type { Store } from '../../services/store/store.ts'
import { foldAll, makeTopics } from '../processor/fold-all.ts'
import { shopLog, shopStartMs } from '../processor/shop.ts'

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '1000000' },
    kind: { type: 'string', default: 'open' },
  },
})
const users = Number(values.users)
const isOpen = values.kind === 'open'
const rowsAtOnce = 500_000
const hourMs = 3_600_000
const place = { epoch: 0, partition: 0 }
/** A click about every 15 minutes of each user: 8 in a session. */
const shop = { seed: 7, clicks: 3_200, users: 400, stepMs: 2_250 }
const shopEndMs = shopStartMs + shop.clicks * shop.stepMs

/** What a restore reads beside slot and user; all other columns stay empty. */
const copied = {
  users: 'state, epoch, partition, version',
  clicks: 'timestamp, event_id, verdict, epoch, offset, precedence',
}

/** Copies each user under so many names, with the accepted clicks whose ids his row does not have. */
async function multiply(store: Store): Promise<void> {
  const has = isOpen ? "NOT startsWith(state, '[0,[]')" : "startsWith(state, '[0,[]')"
  const lacks = "SELECT user_id FROM some_users WHERE NOT startsWith(state, '[0,')"
  await store.command('CREATE TABLE some_users AS users')
  await store.command(`INSERT INTO some_users SELECT * FROM users FINAL WHERE ${has}`)
  await store.command('CREATE TABLE some_clicks AS clicks')
  await store.command(
    `INSERT INTO some_clicks SELECT * FROM clicks FINAL WHERE verdict = 'accepted' AND user_id IN (${lacks})`,
  )
  await store.command('TRUNCATE TABLE users')
  await store.command('TRUNCATE TABLE clicks')
  const [row] = await store.query<{ count: string }>('SELECT count() AS count FROM some_users')
  const copies = Math.ceil(users / Number(row!.count))
  const copiesAtOnce = Math.ceil(rowsAtOnce / Number(row!.count))
  const name = "concat(user_id, ' ', toString(number))"
  const slot = `toUInt16(bitAnd(kafkaMurmurHash(${name}), 2147483647) % 4096)`
  for (let from = 0; from < copies; from += copiesAtOnce) {
    const numbers = `numbers(${from}, ${Math.min(copiesAtOnce, copies - from)})`
    for (const [table, columns] of Object.entries(copied))
      await store.command(
        `INSERT INTO ${table} (slot, user_id, ${columns})
         SELECT ${slot}, ${name}, ${columns} FROM some_${table} CROSS JOIN ${numbers} AS copy`,
      )
  }
}

/** Processor time in s: of this thread, and of the others, which are the engine's but for some of V8's. */
function processorSeconds() {
  const all = process.cpuUsage()
  const own = process.threadCpuUsage()
  const ownSeconds = (own.user + own.system) / 1e6
  return { own: ownSeconds, others: (all.user + all.system) / 1e6 - ownSeconds }
}

/** µs that decoding takes a row, by the rows of some slots. */
async function decodeMicros(store: Store): Promise<number> {
  const chunk = await store.scan('SELECT user_id, state, version FROM users FINAL WHERE slot < 256')
  let rows = 0
  const before = process.threadCpuUsage()
  for (let at = 0; at < chunk.length; rows++) {
    const row = placeOfRow(chunk, at)
    at = row.endAt
    readDueFacts(chunk, row.stateAt, 0)
  }
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / rows
}

function mebibytes(): Record<string, number> {
  globalThis.gc?.()
  const { rss, heapUsed, arrayBuffers, external } = process.memoryUsage()
  const parts = { rss, heapUsed, arrayBuffers, external }
  return Object.fromEntries(
    Object.entries(parts).map(([name, bytes]) => [name, Math.round(bytes / 2 ** 20)]),
  )
}

const directory = mkdtempSync(join(tmpdir(), 'ebb-restore-'))
let nowMs = 0
const log = openMemoryLog({ clock: () => nowMs })
await makeTopics(log, 1)
for (const { atMs, record } of shopLog(shop, 1)[0]!) {
  nowMs = atMs
  await log.append('clicks', 0, [record])
}
if (!isOpen) {
  nowMs = shopEndMs + 2 * hourMs
  const tick = encodeRecord({ kind: 'tick', atMs: nowMs, writer: 'bench' })
  await log.append('clicks', 0, [{ key: null, value: tick }])
}
const store = await openEmbeddedStore({ directory, database: 'ebb' })
await migrate(store)
// The last flush comes with time, and nothing else keeps the process until then.
const alive = setInterval(() => {}, 1000)
await foldAll(log, store)
clearInterval(alive)
await multiply(store)
const [size] = await store.query<{ bytes: string; disk: string }>(
  `SELECT sum(length(state)) AS bytes, (SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'users') AS disk FROM users`,
)
console.log(
  `${users} users in the tables: states of ${Math.round(Number(size!.bytes) / users)} bytes, ${Math.round(Number(size!.disk) / users)} on disk`,
)

const memoryBefore = mebibytes()
const startedAtMs = steadyClock()
const before = processorSeconds()
const source = {
  ...{ log, store, topic: 'clicks', partitions: 1, project: 'default' },
  restoring: (partition: number, share: number) =>
    console.log(`partition ${partition}: ${Math.floor(share * 100)} % of its state is read back`),
}
const folded = await restore(source, place)
const { state } = folded
const restoredMs = steadyClock()
const record = createRecordFold(folded, place)
nowMs += 1
const [one] = await store.query<{ user_id: string }>('SELECT user_id FROM users LIMIT 1')
const click = { ...shopLog({ ...shop, clicks: 1 }, 1)[0]!.at(-1)! }
assert.ok(click)
await log.append('clicks', 0, [{ key: one!.user_id, value: click.record.value }])
const [stored] = await log.read('clicks', 0, folded.nextOffset, 1)
record.fold(stored!)
const foldedMs = steadyClock()
const after = processorSeconds()
const memoryAfter = mebibytes()
const own = after.own - before.own
const decode = ((await decodeMicros(store)) * users) / 1e6
assert.ok(state.users.size >= users)
console.log(
  `${state.users.size} users, ${state.closing.keys.length} with open sessions, ${state.timers.keys.length} with timers
first click folded after ${((foldedMs - startedAtMs) / 1000).toFixed(1)} s (restored after ${((restoredMs - startedAtMs) / 1000).toFixed(1)}), ${Math.round(users / ((foldedMs - startedAtMs) / 1000))} rows/s
processor time: ClickHouse ${(after.others - before.others).toFixed(1)} s; this thread ${own.toFixed(1)} s, of which decoding ${decode.toFixed(1)}, the rest is timers, index and results
memory in MiB before: ${JSON.stringify(memoryBefore)}, after: ${JSON.stringify(memoryAfter)}, peak ${Math.round(process.resourceUsage().maxRSS / 1024)}`,
)
await store.close()
rmSync(directory, { recursive: true, force: true })
process.exit(0)
