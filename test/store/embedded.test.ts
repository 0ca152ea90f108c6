import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { storeContract } from './contract.ts'
import { refusal, temporaryEngine } from './fixture.ts'

const engine = temporaryEngine()
after(() => engine.remove())

describe('the store in this process keeps the contract', () => {
  storeContract(async () => {
    const store = await engine.open()
    return { store, close: () => store.close() }
  })
})

describe('the store in this process', () => {
  test('what was stored is there after closing and opening, twice', async () => {
    for (const round of [1, 2]) {
      const store = await engine.open()
      await store.command('CREATE TABLE IF NOT EXISTS kept (n UInt8) ENGINE = MergeTree ORDER BY n')
      await store.insert('kept', [{ n: round }])
      await store.close()
    }
    const store = await engine.open()
    assert.deepEqual(await store.query('SELECT n FROM kept ORDER BY n'), [{ n: 1 }, { n: 2 }])
    await store.close()
  })

  test('a long query holds up neither inserts nor commands', async () => {
    const store = await engine.open()
    await store.command('CREATE OR REPLACE TABLE busy (n UInt8) ENGINE = MergeTree ORDER BY n')
    const order: string[] = []
    const long = store.query('SELECT sleep(1.5)').then(() => order.push('query'))
    await store.insert('busy', [{ n: 1 }]).then(() => order.push('insert'))
    await store.command('OPTIMIZE TABLE busy FINAL').then(() => order.push('command'))
    await long
    assert.deepEqual(order, ['insert', 'command', 'query'])
    await store.close()
  })

  test('close waits for what runs and refuses what comes later', async () => {
    const store = await engine.open()
    const running = store.query('SELECT sleep(0.3) AS slept')
    const closing = store.close()
    await assert.rejects(store.query('SELECT 1'), refusal('storeRefused', /closed/))
    assert.deepEqual(await running, [{ slept: 0 }])
    await closing
  })

  test('a second directory in this process is refused with a sentence', async () => {
    const store = await engine.open()
    const other = { directory: join(engine.directory, 'other'), database: 'ebb' }
    await assert.rejects(
      openEmbeddedStore(other),
      refusal('directoryLocked', /has another store open/),
    )
    await store.close()
  })

  test('a directory that another process holds is refused with its id', async () => {
    const store = await engine.open()
    const script = `import { openEmbeddedStore } from '${import.meta.resolve('../../services/store/embedded.ts')}'
      try { await openEmbeddedStore({ directory: process.argv[1], database: 'ebb' }) }
      catch (error) { console.log(error.code, error.message) }`
    const child = spawnSync(process.execPath, [
      '--input-type=module',
      '-e',
      script,
      engine.directory,
    ])
    assert.match(
      String(child.stdout),
      new RegExp(`^directoryLocked .*open in process ${process.pid}\\.`),
    )
    await store.close()
  })

  test('the files of this machine are no tables', async () => {
    const file = join(engine.directory, 'secret.csv')
    writeFileSync(file, 'a\n1\n')
    const store = await engine.open()
    assert.deepEqual(await store.query(`EXISTS default.\`${file}\``), [{ result: 0 }])
    await assert.rejects(
      store.query(`SELECT * FROM default.\`${file}\``),
      refusal('storeRejected', /60/),
    )
    await store.close()
  })

  test('a name that is not plain is refused', async () => {
    const odd = { directory: engine.directory, database: 'a`b' }
    await assert.rejects(openEmbeddedStore(odd), refusal('badInput', /no name for a database/))
  })
})
