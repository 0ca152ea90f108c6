import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { openLocalLog } from '../../services/log/local.ts'
import type { Log } from '../../services/log/log.ts'
import { openDatabase, sqliteStorage } from '../../services/log/sqlite.ts'
import { logContract } from './contract.ts'
import { fails, keepAll, type LogFixture, texts, textsOf, timeout } from './fixture.ts'

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'ebb-log-'))
}

function removed(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

function directoryOf(context: TestContext): string {
  const directory = newDirectory()
  context.after(() => removed(directory))
  return directory
}

async function open(): Promise<LogFixture> {
  let nowMs = 1_000_000
  const directory = newDirectory()
  let log = await openEmbeddedLog({ directory, clock: () => nowMs })
  return {
    log,
    async reopen() {
      await log.close()
      log = await openEmbeddedLog({ directory, clock: () => nowMs })
      return log
    },
    async elapse(durationMs) {
      nowMs += durationMs
      await log.retain()
    },
    async release() {
      await log.close()
      removed(directory)
    },
  }
}

logContract('embedded', { durable: true, retains: true, open })

function script(name: string): string[] {
  return ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, name)]
}

async function allTexts(log: Log, partition: number): Promise<string[]> {
  const { startOffset, endOffset } = await log.bounds('clicks', partition)
  const all: string[] = []
  for (let offset = startOffset; offset < endOffset; ) {
    const records = await log.read('clicks', partition, offset, 1024 * 1024)
    for (const record of records) assert.equal(record.offset, offset++)
    all.push(...textsOf(records))
  }
  return all
}

/** Runs the appender, kills it after so many acknowledgements, and gives back all it acknowledged. */
async function killedAfter(directory: string, acks: number): Promise<string[]> {
  const child = spawn(process.execPath, [...script('appender.ts'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === acks) child.kill('SIGKILL')
  }
  if (child.signalCode === null && child.exitCode === null) await once(child, 'exit')
  assert.equal(child.signalCode, 'SIGKILL')
  return lines
}

test('kill -9 at any moment loses nothing that was acknowledged', {
  timeout: 60_000,
}, async context => {
  const directory = directoryOf(context)
  for (const acks of [1, 40, 300, 1000]) {
    const lines = await killedAfter(directory, acks)
    assert.ok(lines.length >= acks)
    const log = await openEmbeddedLog({ directory, clock: () => 0 })
    const kept = [await allTexts(log, 0), await allTexts(log, 1)]
    await log.close()
    for (const line of lines) {
      const [partition, offset, writer, number] = line.split(' ')
      const at = Number(offset)
      const expected = ['a', 'b', 'c'].map(part => `${writer} ${number} ${part}`)
      assert.deepEqual(kept[Number(partition)]!.slice(at, at + 3), expected)
    }
    for (const values of kept) assertWholeAndInOrder(values)
  }
})

/** Every append has three records; one writer waits for each before the next, so its numbers have no gap. */
function assertWholeAndInOrder(values: readonly string[]): void {
  const next = new Map<string, number>()
  for (let at = 0; at < values.length; at += 3) {
    const [writer, number] = values[at]!.split(' ') as [string, string]
    assert.equal(Number(number), next.get(writer) ?? 0)
    next.set(writer, Number(number) + 1)
    for (const [index, part] of ['a', 'b', 'c'].entries())
      assert.equal(values[at + index], `${writer} ${number} ${part}`)
  }
}

test('a commit is an fsync of the write-ahead log', context => {
  const database = openDatabase(join(directoryOf(context), 'log.sqlite'))
  assert.equal(database.prepare('PRAGMA journal_mode').get()!.journal_mode, 'wal')
  assert.equal(database.prepare('PRAGMA synchronous').get()!.synchronous, 2)
  database.close()
})

test('a second log on the directory is directoryLocked until the first closes', {
  timeout,
}, async context => {
  const directory = directoryOf(context)
  const log = await openEmbeddedLog({ directory, clock: () => 0 })
  await fails(openEmbeddedLog({ directory, clock: () => 0 }), 'directoryLocked')
  await log.close()
  await (await openEmbeddedLog({ directory, clock: () => 0 })).close()
})

test('full: nothing is acknowledged, and with room the log goes on', { timeout }, async context => {
  const directory = directoryOf(context)
  const database = openDatabase(join(directory, 'log.sqlite'))
  database.exec('PRAGMA max_page_count = 100')
  const log = openLocalLog(sqliteStorage(database), () => 0)
  await log.ensure('clicks', keepAll)
  await log.append('clicks', 0, texts('first'))
  const tooMuch = texts(...Array<string>(20).fill('x'.repeat(50_000)))
  const group = [log.append('clicks', 0, texts('beside')), log.append('clicks', 1, tooMuch)]
  for (const append of group) await fails(append, 'logFull')
  assert.deepEqual(await log.bounds('clicks', 0), { startOffset: 0, endOffset: 1 })
  assert.deepEqual(await log.bounds('clicks', 1), { startOffset: 0, endOffset: 0 })
  assert.equal(await log.append('clicks', 0, texts('small')), 1)
  database.exec('PRAGMA max_page_count = 10000')
  assert.equal(await log.append('clicks', 1, tooMuch), 0)
  await log.close()

  const again = await openEmbeddedLog({ directory, clock: () => 0 })
  assert.deepEqual(await allTexts(again, 0), ['first', 'small'])
  assert.equal((await allTexts(again, 1)).length, 20)
  await again.close()
})

const mountSmall = 'mount -t tmpfs -o size=3m tmpfs "$1" && shift && exec "$@"'
const canMount = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt']).status === 0

test('a file system without room: logFull, and usable when space returns', {
  timeout,
  skip: canMount ? false : 'this system lets no test mount a small file system',
}, context => {
  const directory = directoryOf(context)
  const command = [process.execPath, ...script('filler.ts'), directory]
  const run = spawnSync('unshare', ['-rm', 'sh', '-c', mountSmall, 'sh', directory, ...command])
  assert.equal(run.status, 0, String(run.stderr))
  const { acknowledged, refused, afterwards, kept } = JSON.parse(String(run.stdout))
  assert.equal(refused, 'logFull')
  assert.equal(afterwards, acknowledged)
  assert.equal(kept, acknowledged + 1)
})

test('retention runs by itself every minute, until the log closes', { timeout }, async context => {
  context.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = 0
  const directory = directoryOf(context)
  const log = await openEmbeddedLog({ directory, clock: () => nowMs })
  await log.ensure('clicks', { ...keepAll, retentionMs: 1000 })
  await log.append('clicks', 0, texts('a'))
  nowMs = 5000
  assert.equal((await log.bounds('clicks', 0)).startOffset, 0)
  context.mock.timers.tick(60_000)
  assert.equal((await log.bounds('clicks', 0)).startOffset, 1)
  const cleared = context.mock.method(globalThis, 'clearInterval').mock
  await log.close()
  assert.equal(cleared.callCount(), 1)
})

test('an open log does not keep the process alive', { timeout }, context => {
  const run = spawnSync(process.execPath, [...script('opener.ts'), directoryOf(context)], {
    timeout: 10_000,
  })
  assert.equal(run.status, 0, String(run.stderr))
})

test('retention takes the latest settings of a topic, over a restart too', {
  timeout,
}, async context => {
  const directory = directoryOf(context)
  let nowMs = 0
  let log = await openEmbeddedLog({ directory, clock: () => nowMs })
  await log.ensure('clicks', keepAll)
  await log.append('clicks', 0, texts('a'))
  await log.ensure('clicks', { ...keepAll, retentionMs: 1000 })
  await log.close()
  log = await openEmbeddedLog({ directory, clock: () => nowMs })
  nowMs = 5000
  await log.retain()
  assert.deepEqual(await log.bounds('clicks', 0), { startOffset: 1, endOffset: 1 })
  await log.close()
})
