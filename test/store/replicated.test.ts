/**
 * The statements for a replicated ClickHouse make the same tables as the migrations. A cluster does not run here:
 * the engine parses them, and makes the tables of them without what makes them replicated.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { EmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { temporaryEngine } from './fixture.ts'

const script = fileURLToPath(new URL('../../infra/clickhouse/replicated', import.meta.url))

const engine = temporaryEngine()
let store: EmbeddedStore
/** As the engine writes them, in the order in which they are to be run. */
let statements: string[]

before(async () => {
  store = await engine.open()
  await migrate(store)
  const text = execFileSync(script, ['main', 'replicas'], { encoding: 'utf8' })
  const lines = text.split('\n').filter(line => !line.startsWith('--'))
  const parts = lines.join('\n').split(/;[ \t]*$/m)
  statements = []
  for (const part of parts.filter(part => part.trim() !== '')) {
    const sql = 'SELECT formatQuerySingleLine({part:String}) AS sql'
    const [row] = await store.query<{ sql: string }>(sql, { part })
    statements.push(row!.sql)
  }
  for (const statement of statements) {
    const single = statement
      .replace(' ON CLUSTER main', '')
      .replace(/ENGINE = Replicated(\w+)\('[^']*', '\{replica\}'(?:, )?/, 'ENGINE = $1(')
    await store.command(single)
  }
})
after(async () => {
  await store.close()
  engine.remove()
})

/** What makes up the tables of a database, by their names. */
async function shape(database: string) {
  const columns = await store.query(
    `SELECT table, name, type, default_kind, default_expression, comment, compression_codec,
            is_in_partition_key, is_in_sorting_key, is_in_primary_key
     FROM system.columns WHERE database = {database:String} ORDER BY table, position`,
    { database },
  )
  const tables = await store.query(
    `SELECT name, engine, partition_key, sorting_key, primary_key,
            replaceRegexpAll(engine_full, 'non_replicated_dedup', 'replicated_dedup') AS full,
            replaceAll(as_select, database || '.', '') AS view
     FROM system.tables WHERE database = {database:String} ORDER BY name`,
    { database },
  )
  return { columns, tables }
}

describe('the tables of a replicated ClickHouse', () => {
  test('have the columns, keys, engines and settings of those of one server', async () => {
    const [single, replicated] = [await shape('ebb'), await shape('replicas')]
    assert.ok(single.tables.length > 10 && single.columns.length > 100)
    assert.deepEqual(replicated, single)
  })

  test('are made on all of the cluster, each replicated under a path of its own', () => {
    const made = statements.filter(statement => statement.startsWith('CREATE TABLE'))
    assert.ok(made.length > 10)
    const path = "\\('/clickhouse/tables/\\{shard\\}/\\{database\\}/\\{table\\}', '\\{replica\\}'"
    for (const statement of statements) assert.match(statement, / ON CLUSTER main\b/)
    for (const statement of made)
      assert.match(statement, new RegExp(`ENGINE = Replicated(Replacing)?MergeTree${path}`))
  })

  test('name each other with their database', async () => {
    const rows = await store.query<{ name: string; sql: string }>(
      "SELECT name, create_table_query AS sql FROM system.tables WHERE database = 'replicas'",
    )
    for (const { name, sql } of rows) assert.doesNotMatch(sql, /\bebb\./, name)
  })
})
