/** A partition is read back while who lost it flushes once more, between any two of the questions: a zombie's flush. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { foldAll, makeTopics, readTables } from './fold-all.ts'
import { startMember } from './members.ts'
import { shopLog } from './shop.ts'

const [entries] = shopLog({ seed: 77, clicks: 900, users: 40, stepMs: 240_000 }, 1)
const third = Math.floor(entries!.length / 3)
/** Progress, erasures, users twice, what is ahead, and progress again. */
const questionsMin = 5

async function openShop(): Promise<{ log: Log; append(from: number, to: number): Promise<void> }> {
  let nowMs = 0
  const log = openMemoryLog({ clock: () => nowMs })
  await makeTopics(log, 1)
  return {
    log,
    async append(from, to) {
      for (const { atMs, record } of entries!.slice(from, to)) {
        nowMs = atMs
        await log.append('clicks', 0, [record])
      }
    },
  }
}

/** Does `work` right before the question of this number, from 1 on. */
function interrupted(store: Store, number: number, work: () => Promise<void>) {
  let asked = 0
  const count = async () => {
    if (++asked === number) await work()
  }
  const stopped: Store = {
    ...store,
    async query(sql, params) {
      await count()
      return store.query(sql, params)
    },
    async scan(sql, params) {
      await count()
      return store.scan(sql, params)
    },
  }
  return { stopped, asked: () => asked }
}

async function emptied(store: Store): Promise<Record<string, unknown[]>> {
  const tables = await readTables(store)
  for (const table of Object.keys(tables)) await store.command(`TRUNCATE TABLE ${table}`)
  return tables
}

/** Resolves to the number of questions that a restore asks. */
async function overtakenAt(store: Store, number: number, t: TestContext): Promise<number> {
  const { log, append } = await openShop()
  await append(0, third)
  await foldAll(log, store)
  await append(third, 2 * third)
  const { stopped, asked } = interrupted(store, number, () => foldAll(log, store))
  const member = await startMember(log, stopped)
  t.after(() => member.stop())
  await member.open(0)
  const questions = asked()
  await append(2 * third, entries!.length)
  await member.feed(0, Number.POSITIVE_INFINITY)
  await member.giveBack(0)
  assert.deepEqual(member.failures, [])
  return questions
}

test('whoever flushes between two questions of a restore, the tables end as those of one run', async t => {
  // Flushes come with time, and their timers keep no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.after(() => clearInterval(alive))
  const store = await openMigrated(t)
  const { log, append } = await openShop()
  await append(0, entries!.length)
  await foldAll(log, store)
  const expected = await emptied(store)
  assert.ok(expected.alerts!.length > 10 && expected.sessions!.length > 500)
  for (let number = 1; ; number++) {
    const questions = await overtakenAt(store, number, t)
    const found = await emptied(store)
    for (const [table, rows] of Object.entries(expected))
      assert.deepEqual(found[table], rows, `${table}, overtaken before question ${number}`)
    if (number < questions) continue
    assert.ok(questions >= questionsMin, `${questions} questions`)
    return
  }
})
