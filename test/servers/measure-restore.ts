/**
 * How fast a processor has its state back: users, open sessions with the ids of their clicks, timers.
 *
 *   node --max-old-space-size=12000 test/servers/measure-restore.ts [users] [open | known]
 *
 * The rows of a small shop that was really folded stand for all: its users are copied under other names.
 * `open`: only those with an open session; `known`: all as they come, most of them silent by then. ClickHouse
 * runs in this process. Prints what the whole process took beside the wall clock: on a busy machine the
 * latter says little.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { steadyClock } from '../../services/base/time.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { restore } from '../../services/processor/restore.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import type { Store } from '../../services/store/store.ts'
import { foldAll, makeTopics } from '../processor/fold-all.ts'
import { shopLog } from '../processor/shop.ts'

const users = Number(process.argv[2] ?? 100_000)
const kind = process.argv[3] ?? 'open'
const copiesAtOnce = 100

/** Copies each user under so many names, with the accepted clicks that an open session may need. */
async function multiply(store: Store): Promise<void> {
  const has = kind === 'open' ? `position(state, '"open":[]') = 0` : 'true'
  await store.command('CREATE TABLE some_users AS users')
  await store.command(`INSERT INTO some_users SELECT * FROM users FINAL WHERE ${has}`)
  await store.command('CREATE TABLE some_clicks AS clicks')
  await store.command(
    "INSERT INTO some_clicks SELECT * FROM clicks FINAL WHERE verdict = 'accepted'",
  )
  await store.command('TRUNCATE TABLE users')
  await store.command('TRUNCATE TABLE clicks')
  const [row] = await store.query<{ count: string }>('SELECT count() AS count FROM some_users')
  const copies = Math.ceil(users / Number(row!.count))
  const name = "concat(user_id, ' ', toString(number))"
  const slot = `toUInt16(bitAnd(kafkaMurmurHash(${name}), 2147483647) % 4096)`
  for (let from = 0; from < copies; from += copiesAtOnce) {
    const numbers = `numbers(${from}, ${Math.min(copiesAtOnce, copies - from)})`
    for (const table of ['users', 'clicks'])
      await store.command(
        `INSERT INTO ${table} SELECT * EXCEPT (number) REPLACE (${slot} AS slot, ${name} AS user_id)
         FROM some_${table} CROSS JOIN ${numbers} AS copy`,
      )
  }
}

const directory = mkdtempSync(join(tmpdir(), 'ebb-restore-'))
let nowMs = 0
const log = openMemoryLog({ clock: () => nowMs })
await makeTopics(log, 1)
const shop = shopLog({ seed: 7, clicks: 12_000, users: 1_000, stepMs: 9_000 }, 1)[0]!
for (const { atMs, record } of shop) {
  nowMs = atMs
  await log.append('clicks', 0, [record])
}
const store = await openEmbeddedStore({ directory, database: 'ebb' })
await migrate(store)
await foldAll(log, store)
await multiply(store)

const startedAtMs = steadyClock()
const before = process.cpuUsage()
const source = {
  ...{ log, store, topic: 'clicks', partitions: 1, project: 'default' },
  restoring: (partition: number, share: number) =>
    console.log(`partition ${partition}: ${Math.floor(share * 100)} %`),
}
const { state } = await restore(source, { epoch: 0, partition: 0 })
const seconds = (steadyClock() - startedAtMs) / 1000
const { user, system } = process.cpuUsage(before)
let open = 0
for (const { open: sessions } of state.users.values()) open += sessions.length
assert.ok(state.users.size >= users)
const mebibytes = Math.round(process.memoryUsage().rss / 2 ** 20)
console.log(
  `${state.users.size} users, ${open} open sessions, ${state.timers.keys.length} timers in ${seconds.toFixed(1)} s; ` +
    `${((user + system) / 1e6).toFixed(1)} s of processor time, the process ${mebibytes} MiB`,
)
await store.close()
rmSync(directory, { recursive: true, force: true })
process.exit(0)
