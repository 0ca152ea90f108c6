/** What the storage on disk promises local.ts, and how local.ts uses it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type LocalLog, openLocalLog } from '../../services/log/local.ts'
import { openDatabase, sqliteStorage } from '../../services/log/sqlite.ts'
import type { Storage } from '../../services/log/storage.ts'
import { keepAll, texts, textsOf, timeout } from './fixture.ts'

function opened(context: TestContext): { storage: Storage; rows: () => unknown } {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-log-'))
  const database = openDatabase(join(directory, 'log.sqlite'))
  context.after(() => {
    if (database.isOpen) database.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const rows = () => database.prepare('SELECT count(*) AS rows FROM batches').get()!.rows
  return { storage: sqliteStorage(database), rows }
}

/** A log that notes how many records each transaction writes. */
async function counted(context: TestContext): Promise<{ log: LocalLog; written: number[] }> {
  const { storage } = opened(context)
  const written: number[] = []
  const write: Storage['write'] = (batches, states) => {
    written.push(batches.reduce((sum, batch) => sum + batch.records.length, 0))
    storage.write(batches, states)
  }
  const log = openLocalLog({ ...storage, write }, () => 0)
  await log.ensure('clicks', keepAll)
  return { log, written }
}

test('appends of one turn share one transaction', { timeout }, async context => {
  const { log, written } = await counted(context)
  await Promise.all([0, 1, 0, 1].map(p => log.append('clicks', p, texts('a', 'b'))))
  assert.deepEqual(written, [8])
})

test('a transaction takes about 4 MiB; what waits comes in the next turns', {
  timeout,
}, async context => {
  const { log, written } = await counted(context)
  const value = 'x'.repeat(1024 * 1024)
  const appends = Array.from({ length: 7 }, () => log.append('clicks', 0, texts(value)))
  assert.deepEqual(await Promise.all(appends), [0, 1, 2, 3, 4, 5, 6])
  assert.deepEqual(written, [3, 3, 1])
})

test('an append that waits when the log closes is on disk', { timeout }, async context => {
  const { log, written } = await counted(context)
  const appended = log.append('clicks', 0, texts('a'))
  const closed = log.close()
  assert.equal(await appended, 0)
  await closed
  assert.deepEqual(written, [1])
})

test('a write that fails halfway leaves nothing, and the next one works', { timeout }, context => {
  const { storage, rows } = opened(context)
  const [state] = storage.create('clicks', keepAll).partitions
  const batch = {
    partitionId: state!.id,
    offset: 0,
    appendMs: 1,
    sizeBytes: 1,
    records: texts('a'),
  }
  assert.throws(() => storage.write([batch, batch], []), /UNIQUE/)
  assert.equal(rows(), 0)
  storage.write([batch], [{ ...state!, endOffset: 1, appendMs: 1, sizeBytes: 1 }])
  assert.deepEqual(textsOf(storage.read(state!.id, 0)), ['a'])
  assert.equal(storage.topics()[0]!.partitions[0]!.endOffset, 1)
})

test('what is dropped gives its room back', { timeout }, async context => {
  const { storage, rows } = opened(context)
  const log = openLocalLog(storage, () => 0)
  await log.ensure('clicks', { ...keepAll, retentionBytes: 0 })
  for (let count = 0; count < 500; count++) await log.append('clicks', 0, texts('a'))
  assert.equal(rows(), 500)
  await log.retain()
  assert.equal(rows(), 0)
})
