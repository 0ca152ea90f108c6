import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { EmbeddedStore } from '../../services/store/embedded.ts'
import { migrate, readMigrations } from '../../services/store/migrate.ts'
import { refusal, temporaryEngine } from './fixture.ts'

const shipped = fileURLToPath(new URL('../../schemas/clickhouse', import.meta.url))
const snapshot = new URL('schema.sql', import.meta.url)

const engine = temporaryEngine()
let store: EmbeddedStore
before(async () => {
  store = await engine.open()
})
after(async () => {
  await store.close()
  engine.remove()
})
afterEach(async () => {
  const tables = await store.query<{ name: string }>('SHOW TABLES')
  for (const { name } of tables) await store.command(`DROP TABLE ${name} SYNC`)
})

describe('the shipped migrations', () => {
  test('give the schema of schema.sql; EBB_SNAPSHOT=1 writes it anew', async () => {
    await migrate(store)
    const rows = await store.query<{ sql: string }>(
      "SELECT formatQuery(create_table_query) AS sql FROM system.tables WHERE database = 'ebb' ORDER BY name",
    )
    const schema = `${rows.map(({ sql }) => sql).join(';\n\n')};\n`
    if (process.env.EBB_SNAPSHOT) writeFileSync(snapshot, schema)
    assert.equal(schema, readFileSync(snapshot, 'utf8'))
  })

  test('run once', async () => {
    const names = (await readMigrations()).map(({ name }) => name)
    assert.deepEqual(await migrate(store), names)
    assert.deepEqual(await migrate(store), [])
  })

  test('can be repeated after a crash at any statement', async () => {
    const statements = (await readMigrations()).flatMap(migration => migration.statements)
    for (const statement of statements)
      assert.match(
        statement,
        /^(CREATE (TABLE|VIEW) IF NOT EXISTS|CREATE OR REPLACE VIEW|ALTER TABLE \w+\s+(MODIFY SETTING|\w+ (COLUMN|INDEX) IF) )/,
      )
    for (const statement of statements.slice(0, -1)) await store.command(statement)
    assert.equal((await migrate(store)).length, (await readMigrations()).length)
  })

  test('let who asks for clicks from an offset on leave out what is older', async () => {
    await migrate(store)
    for (const from of [0, 10_000])
      await store.command(
        `INSERT INTO clicks (slot, user_id, timestamp, event_id, verdict, offset)
         SELECT number % 4096, toString(number), number, toString(number), 'accepted', number FROM numbers(${from}, 10000)`,
      )
    const plan = await store.query<{ explain: string }>(
      "EXPLAIN indexes = 1 SELECT DISTINCT offset FROM clicks WHERE verdict = 'accepted' AND offset >= 15000",
    )
    const text = plan.map(({ explain }) => explain).join('\n')
    assert.match(text, /Name: offset_range[\s\S]*Parts: 1\/2/)
  })

  test('have numbers without gap', async () => {
    const numbers = (await readMigrations()).map(({ number }) => number)
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
    )
  })
})

describe('a folder of migrations', () => {
  const path = `${engine.directory}-migrations`
  const folder = pathToFileURL(`${path}/`)
  const write = (name: string, text: string) => writeFileSync(join(path, name), text)
  beforeEach(() => mkdirSync(path))
  afterEach(() => rmSync(path, { recursive: true }))
  const create = (name: string) =>
    `CREATE TABLE IF NOT EXISTS ${name} (n UInt8) ENGINE = MergeTree ORDER BY n;\n`

  test('a new file runs at the next start, the old ones do not', async () => {
    write('001_one.sql', create('one'))
    await migrate(store, folder)
    await store.command('DROP TABLE one SYNC')
    write('002_two.sql', create('two'))
    assert.deepEqual(await migrate(store, folder), ['002_two.sql'])
    assert.deepEqual(await store.query("SHOW TABLES LIKE '%o%'"), [
      { name: 'migrations' },
      { name: 'two' },
    ])
  })

  test('a crash in the middle of a file: the file runs again, the ones before it do not', async () => {
    write('001_one.sql', create('one'))
    write(
      '002_two.sql',
      `${create('two')}\nCREATE TABLE IF NOT EXISTS three (n Nonsense) ENGINE = MergeTree ORDER BY n;`,
    )
    await assert.rejects(migrate(store, folder), refusal('storeRejected', /Nonsense/))
    write('002_two.sql', `${create('two')}\n${create('three')}`)
    assert.deepEqual(await migrate(store, folder), ['002_two.sql'])
  })

  test('a file that was changed after it was applied is named', async () => {
    write('001_one.sql', create('one'))
    await migrate(store, folder)
    write('001_one.sql', `${create('one')}-- a word\n`)
    await assert.rejects(
      migrate(store, folder),
      refusal('storeRejected', /001_one.sql was changed/),
    )
  })

  test('a store that is newer than Ebb is left alone', async () => {
    cpSync(shipped, path, { recursive: true })
    write('999_future.sql', create('future'))
    await migrate(store, folder)
    await assert.rejects(
      migrate(store),
      refusal('storeRejected', /999_future.sql.*older than the store/),
    )
  })

  test('semicolons in comments, texts and lines end nothing', async () => {
    write(
      '001_one.sql',
      `-- a remark;\n${create('one').replace('n UInt8', "n UInt8 COMMENT 'this; that'")}`,
    )
    await migrate(store, folder)
    assert.deepEqual(
      await store.query(
        "SELECT comment FROM system.columns WHERE database = 'ebb' AND table = 'one'",
      ),
      [{ comment: 'this; that' }],
    )
  })
})
