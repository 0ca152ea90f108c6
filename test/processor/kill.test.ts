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
import { makeTopics, readTables } from './fold-all.ts'
import { seeded, shopLog } from './shop.ts'

const partitions = 2
const killCount = 12
const seed = 20_260_105

function spawnRun(directory: string): ChildProcess {
  const script = new URL('run-once.ts', import.meta.url).pathname
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function fillLog(directory: string): Promise<void> {
  let nowMs = 0
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: () => nowMs })
  await makeTopics(log, partitions)
  const records = shopLog({ seed, clicks: 40_000, users: 1_500, stepMs: 9_000 }, partitions)
  for (const [partition, entries] of records.entries())
    for (let at = 0; at < entries.length; at += 100) {
      const some = entries.slice(at, at + 100)
      nowMs = some[0]!.atMs
      await log.append(
        'clicks',
        partition,
        some.map(entry => entry.record),
      )
    }
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

/** Runs to the end; SIGKILL meanwhile at `killAfterMs` from the start of the fold. True: it was killed. */
async function runOnce(directory: string, killAfterMs: number): Promise<boolean> {
  const child = spawnRun(directory)
  const ended = once(child, 'exit')
  await once(child.stdout!, 'data')
  const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  const [code, signal] = await ended
  clearTimeout(timer)
  if (signal === 'SIGKILL') return true
  assert.equal(code, 0, 'the run ends well')
  return false
}

test('after kill -9 at any moment the tables end as if nothing had happened', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-kill-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const whole = join(directory, 'whole')
  const broken = join(directory, 'broken')
  await fillLog(whole)
  cpSync(whole, broken, { recursive: true })
  assert.equal(await runOnce(whole, 120_000), false)
  const random = seeded(seed)
  let kills = 0
  for (; kills < killCount; kills++) if (!(await runOnce(broken, 30 + random() * 700))) break
  if (kills === killCount) assert.equal(await runOnce(broken, 120_000), false)
  t.diagnostic(`killed ${kills} times, seed ${seed}`)
  assert.ok(kills >= 3, 'the run was long enough to be killed')

  const expected = await readAll(whole)
  const found = await readAll(broken)
  for (const table of Object.keys(expected.tables))
    assert.deepEqual(found.tables[table], expected.tables[table], `${table} is as it should be`)
  assert.ok(expected.tables.alerts!.length > 1000, 'the run had alerts to lose')
  assert.deepEqual(
    new Set(found.messages.keys()),
    new Set(expected.messages.keys()),
    'every alert is on the log, and no other',
  )
  for (const [id, bytes] of found.messages)
    assert.deepEqual(bytes, expected.messages.get(id), `message ${id} has one body for ever`)
})
