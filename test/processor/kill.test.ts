import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeAlert } from '../../services/log/codec.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { pourShop, readTables } from './fold-all.ts'
import { seeded } from './shop.ts'

const partitions = 2
const killCount = 12
const seed = 20_260_105

/** Where a run dies: a time after the fold began, or right after some insert into a table. */
type Death = { readonly afterMs: number } | { readonly table: string; readonly insert: number }

const tables = [
  'clicks',
  'rejects',
  'sessions',
  'user_days',
  'alerts',
  'users',
  'users',
  'progress',
]

function spawnRun(directory: string, death: string): ChildProcess {
  const script = new URL('run-once.ts', import.meta.url).pathname
  return spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', script, directory, death],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
}

async function fillLog(directory: string): Promise<void> {
  let nowMs = 0
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: () => nowMs })
  const shop = { seed, clicks: 40_000, users: 1_500, stepMs: 9_000 }
  await pourShop(log, shop, partitions, atMs => {
    nowMs = atMs
  })
  await log.close()
}

async function readAll(directory: string) {
  const store = await openEmbeddedStore({
    directory: join(directory, 'clickhouse'),
    database: 'ebb',
  })
  const tables = await readTables(store)
  await store.close()
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: () => 4e12 })
  const messages = new Map<string, Set<string>>()
  for (let partition = 0; partition < partitions; partition++) {
    const { endOffset } = await log.bounds('alerts', partition)
    for (let offset = 0; offset < endOffset; ) {
      const records = await log.read('alerts', partition, offset, 1 << 20)
      for (const record of records) {
        const alert = decodeAlert(record.value)
        assert.ok('messageId' in alert)
        const bytes = messages.get(alert.messageId) ?? new Set()
        messages.set(alert.messageId, bytes.add(record.value!.toString('base64')))
      }
      offset += records.length
    }
  }
  await log.close()
  return { tables, messages }
}

/** Runs to the end, or to the given death. True: it died. */
async function runOnce(directory: string, death: Death | undefined): Promise<boolean> {
  const child = spawnRun(
    directory,
    death && 'table' in death ? `${death.table} ${death.insert}` : '',
  )
  const ended = once(child, 'exit')
  await once(child.stdout!, 'data')
  const afterMs = death && 'afterMs' in death ? death.afterMs : 120_000
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
  const [code, signal] = await ended
  clearTimeout(timer)
  if (signal === 'SIGKILL') return true
  assert.equal(code, 0, 'the run ends well')
  return false
}

/** Half of the deaths come at any time, half between two steps of a flush. */
function deathOf(random: () => number): Death {
  if (random() < 0.5) return { afterMs: 30 + random() * 700 }
  const table = tables[Math.floor(random() * tables.length)]!
  return { table, insert: 1 + Math.floor(random() * 3) }
}

type Tables = Readonly<Record<string, unknown[]>>

/** Names the first row that differs: whole tables are too much to print. */
function sameRows(table: string, found: Tables, expected: Tables): void {
  const rows = expected[table]!
  for (const [at, row] of rows.entries())
    assert.deepEqual(found[table]![at], row, `row ${at} of ${table}`)
  assert.equal(found[table]!.length, rows.length, `number of rows of ${table}`)
}

test('after kill -9 at any moment the tables end as if nothing had happened', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-kill-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const whole = join(directory, 'whole')
  const broken = join(directory, 'broken')
  await fillLog(whole)
  cpSync(whole, broken, { recursive: true })
  assert.equal(await runOnce(whole, undefined), false)
  const random = seeded(seed)
  let kills = 0
  while (kills < killCount && (await runOnce(broken, deathOf(random)))) kills++
  if (kills === killCount) assert.equal(await runOnce(broken, undefined), false)
  t.diagnostic(`killed ${kills} times, seed ${seed}`)
  assert.ok(kills >= 3, 'the run was long enough to be killed')

  const expected = await readAll(whole)
  const found = await readAll(broken)
  for (const table of Object.keys(expected.tables)) sameRows(table, found.tables, expected.tables)
  assert.ok(expected.tables.alerts!.length > 1000, 'the run had alerts to lose')
  assert.deepEqual(
    new Set(found.messages.keys()),
    new Set(expected.messages.keys()),
    'every alert is on the log, and no other',
  )
  for (const [id, bytes] of found.messages)
    assert.deepEqual(bytes, expected.messages.get(id), `message ${id} has one body for ever`)
})
