/** What a reader of the HTTP interface must not be able to do, each tried in several spellings. */

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { EmbeddedStore } from '../../services/store/embedded.ts'
import { serveStore } from '../../services/store/http.ts'
import { temporaryEngine } from './fixture.ts'

const engine = temporaryEngine()
const folder = mkdtempSync(join(tmpdir(), 'ebb-attack-'))
const secret = join(folder, 'secret.csv')
const outside = join(folder, 'out')
let store: EmbeddedStore
let server: Awaited<ReturnType<typeof serveStore>>
let listener: Server
let visits = 0
let site: string
before(async () => {
  writeFileSync(secret, 'word\nxyzzy\n')
  store = await engine.open()
  await store.command('CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n')
  await store.insert('t', [{ n: 1 }])
  server = await serveStore({ store, host: '127.0.0.1', port: 0 })
  listener = createServer(socket => {
    visits++
    socket.destroy()
  })
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  site = `127.0.0.1:${(listener.address() as { port: number }).port}`
})
after(async () => {
  await new Promise(resolve => listener.close(resolve))
  await server.close()
  await store.close()
  engine.remove()
  rmSync(folder, { recursive: true })
})

async function ask(sql: string, more: Record<string, string> = {}, method = 'POST') {
  const url = `http://127.0.0.1:${server.port}/?${new URLSearchParams(more)}`
  const response = await (method === 'POST'
    ? fetch(url, { method, body: sql })
    : fetch(`${url}&query=${encodeURIComponent(sql)}`))
  return { status: response.status, text: await response.text() }
}

/** Refused, with nothing of the secret in the answer, no file written, nobody visited, no row changed. */
async function refused(sql: string, more: Record<string, string> = {}): Promise<void> {
  for (const method of ['POST', 'GET']) {
    const { status, text } = await ask(sql, more, method)
    assert.ok(status >= 400, `${sql} gave ${status}: ${text}`)
    assert.doesNotMatch(text, /xyzzy/)
    assert.match(text, /^Code: \d+\. DB::Exception/)
  }
  assert.deepEqual(readdirSync(folder), ['secret.csv'], sql)
  assert.equal(readFileSync(secret, 'utf8'), 'word\nxyzzy\n')
  assert.equal(visits, 0, sql)
  assert.deepEqual(await store.query('SELECT n FROM t'), [{ n: '1' }], sql)
}

describe('a reader may ask', () => {
  const questions = [
    'SELECT n FROM t',
    '-- a remark; DROP\nSELECT n FROM t /* ; */;',
    '(SELECT 1)',
    'WITH 1 AS x SELECT x',
    'SHOW TABLES',
    'DESCRIBE TABLE t',
    'DESC (SELECT 1)',
    'EXISTS t',
    'EXPLAIN SELECT n FROM t',
    'SHOW CREATE TABLE t',
    'SELECT * FROM numbers(3)',
    "SELECT * FROM values('a Int8', 1)",
    "SELECT 'INTO OUTFILE file(''x'') url('",
    'SELECT 1 AS `a b`',
    'SELECT name FROM system.tables',
    "SELECT 'profile' AS profile",
  ]
  for (const sql of questions)
    test(sql, async () => {
      const { status, text } = await ask(sql)
      assert.equal(status, 200, text)
    })
})

describe('a reader cannot write', () => {
  const statements = [
    'INSERT INTO t VALUES (2)',
    'INSERT INTO t FORMAT JSONEachRow {"n":2}',
    'INSERT INTO t SELECT 2',
    '/* SELECT */ INSERT INTO t SELECT 2',
    'SELECT 1; DROP TABLE t',
    'SELECT 1;\n-- \nDROP TABLE t',
    'DROP TABLE t',
    '-- SELECT\nDROP TABLE t',
    'TRUNCATE TABLE t',
    'ALTER TABLE t DELETE WHERE 1',
    'DELETE FROM t WHERE 1',
    'UPDATE t SET n = 2 WHERE 1',
    'RENAME TABLE t TO u',
    'CREATE TABLE u (n Int8) ENGINE = Memory',
    'CREATE TEMPORARY TABLE u (n Int8)',
    'CREATE VIEW v AS SELECT 1',
    'CREATE DATABASE d',
    'CREATE FUNCTION f AS x -> x',
    'CREATE USER u',
    'GRANT ALL ON *.* TO default',
    'DROP DATABASE ebb',
    'DETACH TABLE t',
    'ATTACH TABLE u (n Int8) ENGINE = Memory',
    'OPTIMIZE TABLE t FINAL',
    'EXCHANGE TABLES t AND t',
    'SYSTEM SHUTDOWN',
    'SYSTEM STOP MERGES',
    'KILL QUERY WHERE 1',
    'SELECT 1 PARALLEL WITH DROP TABLE t',
    'USE system',
    'SET max_memory_usage = 0',
    'SET readonly = 0',
    'SET param_a = 1',
    'EXPLAIN PIPELINE INSERT INTO t SELECT 2',
    'BEGIN TRANSACTION',
    'EXECUTE AS default DROP TABLE t',
    'CHECK TABLE t',
    'WITH 1 AS x INSERT INTO t SELECT x',
  ]
  for (const sql of statements) test(sql, () => refused(sql))
})

describe('a reader cannot lift his limits', () => {
  for (const setting of [
    'readonly = 0',
    'max_memory_usage = 0',
    'max_execution_time = 0',
    'max_result_bytes = 0',
  ])
    test(`SETTINGS ${setting}`, () => refused(`SELECT 1 FORMAT JSON SETTINGS ${setting}`))

  test('by settings in the URL', async () => {
    await refused('INSERT INTO t VALUES (2)', { readonly: '0', allow_ddl: '1' })
    const lifted = {
      readonly: '0',
      max_memory_usage: '0',
      max_execution_time: '3600',
      max_result_bytes: '0',
      log_comment: 'x',
    }
    const names = ['readonly', 'max_memory_usage', 'max_execution_time', 'max_result_bytes']
    const sql = `SELECT ${names.map(name => `toUInt64(getSetting('${name}'))`)} FORMAT TSVWithNames`
    assert.deepEqual((await ask(sql, lifted)).text.split('\n')[1], '1\t536870912\t30\t67108864')
  })

  test('nor by settings that name files', async () => {
    const file = {
      output_format_schema: outside,
      format_template_row: secret,
      format_schema: secret,
      format_schema_path: folder,
    }
    await ask('SELECT 1 AS a FORMAT Protobuf', file)
    assert.deepEqual(readdirSync(folder), ['secret.csv'])
    assert.doesNotMatch((await ask('SELECT 1 AS a FORMAT Template', file)).text, /xyzzy/)
  })

  test('nor settle anything for the next query', async () => {
    await ask('SELECT 1', {
      output_format_json_quote_64bit_integers: '1',
      max_execution_time: '0.5',
    })
    assert.equal((await ask('SELECT toUInt64(1) AS a FORMAT JSONEachRow')).text, '{"a":1}\n')
    await ask('SELECT {a:String}', { param_a: 'mine' })
    await refused('SELECT {a:String}')
  })
})

describe('a reader cannot reach files', () => {
  const spellings = [
    (file: string) => `SELECT file('${file}')`,
    (file: string) => `SELECT \`file\`('${file}')`,
    (file: string) => `SELECT "file"('${file}')`,
    (file: string) => `SELECT file/**/('${file}')`,
    (file: string) => `SELECT arrayMap(file, ['${file}'])`,
    (file: string) => `SELECT '${file}' AS f, * APPLY(file) FROM (SELECT '${file}')`,
    (file: string) => `SELECT * FROM file('${file}')`,
    (file: string) => `SELECT * FROM FILE('${file}', CSV)`,
    (file: string) => `DESCRIBE file('${file}')`,
    (file: string) => `DESCRIBE TABLE (SELECT * FROM file('${file}'))`,
    (file: string) => `SELECT * FROM '${file}'`,
    (file: string) => `SELECT * FROM default.\`${file}\``,
    (file: string) => `DESC default.\`${file}\``,
    (file: string) => `SELECT * FROM view(SELECT file('${file}'))`,
    (file: string) => `EXPLAIN SELECT file('${file}')`,
    (file: string) => `EXPLAIN TABLE OVERRIDE file('${file}') COLUMNS (a Int8)`,
    (file: string) => `SELECT 1 WHERE (SELECT count() FROM file('${file}')) > 0`,
    (file: string) => `SELECT * FROM sqlite('${file}', 't')`,
    (file: string) => `SELECT * FROM icebergLocal('${file}')`,
    (file: string) => `DESCRIBE deltaLakeLocal('${file}')`,
    (file: string) => `SELECT * FROM filesystem('${file}')`,
    (file: string) => `SELECT * FROM fileCluster('x', '${file}')`,
    (file: string) => `SELECT catboostEvaluate('${file}', 1)`,
    (file: string) => `SELECT * FROM executable('cat ${file}', LineAsString, 'a String')`,
    (file: string) => `SELECT * FROM eval('SELECT file(''${file}'')')`,
    (file: string) => `BACKUP TABLE t TO File('${file}')`,
    (file: string) => `RESTORE TABLE u FROM File('${file}')`,
    (file: string) => `INSERT INTO t FROM INFILE '${file}'`,
    (file: string) => `SELECT 1 INTO OUTFILE '${file}'`,
    (file: string) => `SELECT 1 into/**/outfile '${file}' TRUNCATE`,
    (file: string) => `SELECT 1 INTO OUTFILE '${file}' AND STDOUT`,
    (file: string) => `SELECT 1 INTO -- x\n OUTFILE $$${file}$$`,
    (file: string) => `SHOW TABLES INTO OUTFILE '${file}'`,
    (file: string) => `EXPLAIN SELECT 1 INTO OUTFILE '${file}'`,
    (file: string) => `DESCRIBE t INTO OUTFILE '${file}'`,
    (file: string) => `EXISTS t INTO OUTFILE '${file}'`,
    (file: string) => `(SELECT 1) UNION ALL (SELECT 2) INTO OUTFILE '${file}'`,
    (file: string) => `INSERT INTO FUNCTION file('${file}', CSV, 'a Int8') SELECT 1`,
    (file: string) => `CREATE TABLE u ENGINE = File(CSV, '${file}')`,
  ]
  for (const spell of spellings)
    test(spell('x'), async () => {
      await refused(spell(secret))
      await refused(spell(outside))
    })

  test('by parameters', async () => {
    await refused('SELECT file({f:String})', { param_f: secret })
    await refused('DESCRIBE TABLE {f:Identifier}', { param_f: `file('${secret}')` })
    await refused('SELECT * FROM {d:Identifier}.{t:Identifier}', {
      param_d: 'default',
      param_t: secret,
    })
    await refused('SELECT {a:String} FROM nowhere', { param_a: `' INTO OUTFILE '${outside}` })
    assert.equal(
      (await ask('SELECT {a:String}', { param_a: `'; DROP TABLE t; -- INTO OUTFILE '${outside}'` }))
        .status,
      200,
    )
    assert.deepEqual(await store.query('EXISTS t'), [{ result: 1 }])
    assert.equal(
      (await ask('EXISTS {d:Identifier}.{t:Identifier}', { param_d: 'default', param_t: secret }))
        .text,
      '0\n',
    )
  })

  test('by names, formats and databases in the URL', async () => {
    await refused('SELECT 1', { default_format: `CSV INTO OUTFILE '${outside}'` })
    await refused('SELECT 1', { database: `ebb; SELECT 1 INTO OUTFILE '${outside}'` })
    await refused('SELECT 1', { session_timezone: `UTC'; DROP TABLE t; --` })
    await refused('SELECT {a:String}', { "param_a = 'x'; DROP TABLE t; --": 'x' })
  })
})

describe('a reader cannot reach the network', () => {
  const calls: [string, (site: string) => string][] = [
    ['url', site => `('http://${site}/x', CSV, 'a String')`],
    ['s3', site => `('http://${site}/bucket/x', CSV, 'a String')`],
    ['gcs', site => `('http://${site}/bucket/x', CSV, 'a String')`],
    ['remote', site => `('${site}', system.one)`],
    ['remoteSecure', site => `('${site}', system.one)`],
    ['mysql', site => `('${site}', 'a', 'b', 'c', 'd')`],
    ['postgresql', site => `('${site}', 'a', 'b', 'c', 'd')`],
    ['mongodb', site => `('${site}', 'a', 'b', 'c', 'd', 'a String')`],
    ['redis', site => `('${site}', 'a', 'a String')`],
    ['hdfs', site => `('hdfs://${site}/x', CSV, 'a String')`],
    ['azureBlobStorage', site => `('http://${site}', 'a', 'b', 'c', 'd')`],
    ['iceberg', site => `('http://${site}/bucket/x')`],
    ['deltaLake', site => `('http://${site}/bucket/x')`],
    ['jdbc', site => `('${site}', 'a', 'b')`],
    ['odbc', site => `('${site}', 'a', 'b')`],
    ['urlCluster', site => `('x', 'http://${site}/x')`],
    ['ytsaurus', site => `('http://${site}', 'a', 'b', 'c String')`],
  ]
  for (const [name, call] of calls)
    test(name, async () => {
      await refused(`SELECT * FROM ${name}${call(site)}`)
      await refused(`DESCRIBE TABLE ${name}${call(site)}`)
      await refused(`EXPLAIN SELECT 1 FROM t WHERE n IN (SELECT 1 FROM ${name}${call(site)})`)
    })

  test('no table function that the engine has is let through but the harmless ones', async () => {
    const harmless = [
      'numbers',
      'numbers_mt',
      'zeros',
      'zeros_mt',
      'generate_series',
      'generateSeries',
      'primes',
      'values',
      'view',
      'merge',
      'null',
      'format',
      'generateRandom',
    ]
    const rows = await store.query<{ name: string }>('SELECT name FROM system.table_functions')
    assert.ok(rows.length > 70)
    for (const { name } of rows.filter(({ name }) => !harmless.includes(name))) {
      const { status, text } = await ask(`DESCRIBE TABLE ${name}('x')`)
      assert.ok(status === 403 || /SYNTAX_ERROR/.test(text), `${name}: ${text}`)
    }
  })

  test('functions that ask models', () => refused("SELECT aiGenerate('x')"))
})
