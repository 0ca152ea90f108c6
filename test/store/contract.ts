/** What every adapter of the Store port keeps. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { readMoney, readTime, rowMoney, rowTime } from '../../services/store/rows.ts'
import { scannedRows } from '../../services/store/scan.ts'
import type { Params, Store } from '../../services/store/store.ts'
import { refusal } from './fixture.ts'

const columns = `id UInt64, at DateTime64(3, 'UTC'), seen Nullable(DateTime64(3, 'UTC')),
  times Array(DateTime64(3, 'UTC')), money Decimal(18, 4), moneys Array(Decimal(18, 4)), name String,
  kind LowCardinality(String), flag Bool, tags Array(String), day Date`

function row(changes: object) {
  const blank = { id: '1', at: rowTime(0), seen: null, times: [], money: rowMoney(0), moneys: [] }
  return { ...blank, name: '', kind: '', flag: false, tags: [], day: 0, ...changes }
}

export function storeContract(open: () => Promise<{ store: Store; close(): Promise<void> }>): void {
  let store: Store
  let close: () => Promise<void>
  before(async () => {
    ;({ store, close } = await open())
  })
  after(() => close())

  async function table(name: string): Promise<string> {
    await store.command(
      `CREATE OR REPLACE TABLE ${name} (${columns}) ENGINE = MergeTree ORDER BY id`,
    )
    return name
  }
  const parts = (name: string) =>
    store.query<{ rows: string }>(
      'SELECT rows FROM system.parts WHERE active AND database = {database:String} AND table = {name:String}',
      { database: 'ebb', name },
    )

  describe('insert', () => {
    test('a row comes back as it was', async () => {
      const name = await table('values_kept')
      const text = 'tab\t line\n quote\' "double" back\\slash {p:String} ; -- ü 🦆 \0'
      await store.insert(name, [
        row({ id: '18446744073709551615', name: text, kind: text, tags: [text, ''], flag: true }),
      ])
      const rows = await store.query<Record<string, unknown>>(`SELECT * FROM ${name}`)
      assert.equal(rows.length, 1)
      const { id, name: back, kind, tags, flag, seen } = rows[0]!
      assert.deepEqual(
        [id, back, kind, tags, flag, seen],
        ['18446744073709551615', text, text, [text, ''], true, null],
      )
    })

    test('times are exact, small and large, alone and in arrays', async () => {
      const name = await table('times_kept')
      const instants = [0, 1, 9, 10, 99, 999, 1000, 9999, 10_000, 1_700_000_000, 9_999_999_999]
      instants.push(99_999_999_999, 1_700_000_000_123, 4_102_444_800_000)
      for (let ms = 1; ms < 4_102_444_800_000; ms = ms * 3 + 7) instants.push(ms)
      await store.insert(
        name,
        instants.map((ms, id) =>
          row({ id, at: rowTime(ms), seen: rowTime(ms), times: [rowTime(ms), rowTime(0)] }),
        ),
      )
      const rows = await store.query<{ at: string; seen: string; times: string[]; ticks: string }>(
        `SELECT at, seen, times, toUnixTimestamp64Milli(at) AS ticks FROM ${name} ORDER BY id`,
      )
      assert.deepEqual(
        rows.map(({ ticks }) => Number(ticks)),
        instants,
      )
      assert.deepEqual(
        rows.map(({ at }) => readTime(at)),
        instants,
      )
      assert.deepEqual(
        rows.map(({ seen }) => readTime(seen)),
        instants,
      )
      assert.deepEqual(
        rows.map(({ times }) => times.map(readTime)),
        instants.map(ms => [ms, 0]),
      )
    })

    test('money is exact, negative too', async () => {
      const name = await table('money_kept')
      const amounts = [
        0,
        1,
        -1,
        9999,
        10_000,
        -10_001,
        125_000,
        123_456_789,
        -123_456_789,
        2 ** 53 - 1,
        1 - 2 ** 53,
      ]
      await store.insert(
        name,
        amounts.map((amount, id) =>
          row({ id, money: rowMoney(amount), moneys: [rowMoney(amount)] }),
        ),
      )
      const rows = await store.query<{ money: string; moneys: string[]; sum: string }>(
        `SELECT money, moneys, toString(toDecimal128(money, 4) * 10000) AS sum FROM ${name} ORDER BY id`,
      )
      assert.deepEqual(
        rows.map(({ money }) => readMoney(money)),
        amounts,
      )
      assert.deepEqual(
        rows.map(({ moneys }) => readMoney(moneys[0]!)),
        amounts,
      )
      assert.deepEqual(
        rows.map(({ sum }) => Number(sum)),
        amounts,
      )
    })

    test('one insert is one part, with 100,000 rows and 50 MB too', async () => {
      const name = await table('one_part')
      const wide = 'x'.repeat(420)
      await store.insert(
        name,
        Array.from({ length: 100_000 }, (_, id) => row({ id, name: wide })),
      )
      assert.deepEqual(await parts(name), [{ rows: '100000' }])
    })

    test('one bad row and nothing of its batch is there, nor in the error', async () => {
      const name = await table('all_or_nothing')
      const rows = Array.from({ length: 50_000 }, (_, id) => row({ id, name: 'x'.repeat(300) }))
      rows.push(row({ id: 'seven' }))
      const refused = refusal('storeRejected', /^(?!.*seven).*all_or_nothing.*key id/)
      await assert.rejects(store.insert(name, rows), refused)
      assert.deepEqual(await parts(name), [])
    })

    test('a column that the table does not have is refused', async () => {
      const name = await table('columns_known')
      await assert.rejects(
        store.insert(name, [row({ nmae: 'x' })]),
        refusal('storeRejected', /nmae/),
      )
    })

    test('a null for a column without nulls is refused', async () => {
      const name = await table('nulls_known')
      await assert.rejects(
        store.insert(name, [row({ name: null })]),
        refusal('storeRejected', /name/),
      )
    })

    test('no rows, no part', async () => {
      const name = await table('nothing')
      await store.insert(name, [])
      assert.deepEqual(await parts(name), [])
    })

    test('inserts side by side are all there', async () => {
      const name = await table('side_by_side')
      await Promise.all(Array.from({ length: 20 }, (_, id) => store.insert(name, [row({ id })])))
      assert.deepEqual(await store.query(`SELECT count() AS count FROM ${name}`), [{ count: '20' }])
    })
  })

  describe('query', () => {
    const hostile = [
      '',
      ' ',
      "'",
      '"',
      '\\',
      "\\'",
      "'; DROP TABLE x; --",
      '{b:String}',
      '\\N',
      'NULL',
      'a\tb\nc\rd',
      '🦆',
    ]
    test('parameters arrive as they are', async () => {
      for (const text of hostile) {
        const params = { text, list: hostile, none: null, count: -3, share: 1.5, yes: true }
        const rows = await store.query(
          `SELECT {text:String} AS text, {list:Array(String)} AS list, {none:Nullable(String)} AS none,
             {count:Int32} AS count, {share:Float64} AS share, {yes:Bool} AS yes`,
          params,
        )
        assert.deepEqual(rows, [params])
      }
    })

    test('a parameter that is not given is refused, also when an earlier query gave it', async () => {
      const sql = 'SELECT {secret:String} AS value'
      assert.deepEqual(await store.query(sql, { secret: 'a' }), [{ value: 'a' }])
      await assert.rejects(store.query(sql), refusal('storeRejected', /456.*secret/))
    })

    test('queries side by side keep their own parameters', async () => {
      const ask = (n: number) => store.query<{ n: number }>('SELECT {n:UInt32} AS n', { n })
      const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => ask(n)))
      assert.deepEqual(
        answers.flat().map(({ n }) => n),
        Array.from({ length: 40 }, (_, n) => n),
      )
    })

    test('64-bit integers and decimals are text', async () => {
      const rows = await store.query(
        "SELECT toUInt64(18446744073709551615) AS big, toInt64(-5) AS small, toDecimal64('1.5', 4) AS money",
      )
      assert.deepEqual(rows, [{ big: '18446744073709551615', small: '-5', money: '1.5' }])
    })

    test('nothing is inserted behind our back', async () => {
      const rows = await store.query("SELECT toUInt8(getSetting('async_insert')) AS async")
      assert.deepEqual(rows, [{ async: 0 }])
    })
  })

  describe('scan', () => {
    const columns = { name: 'text', at: 'time', short: 'small', id: 'integer' } as const
    test('rows come as they are, in order', async () => {
      const name = await table('scanned')
      const long = 'ü🦆'.repeat(20_000)
      const texts = ['', ' ', "'", '\\', 'a\tb\nc\0', long, 'x'.repeat(127), 'x'.repeat(128)]
      const rows = texts.map((text, at) => ({
        ...{ name: text, at: 4_102_444_800_000 - at, short: 65_535, id: 2 ** 53 - 1 - at },
      }))
      await store.insert(
        name,
        rows.map(({ name: text, at, id }) => row({ name: text, at: rowTime(at), id: String(id) })),
      )
      const sql = `SELECT name, at, toUInt16(65535) AS short, id FROM ${name} WHERE name != {no:String} ORDER BY id DESC`
      assert.deepEqual([...scannedRows(await store.scan(sql, { no: 'none' }), columns)], rows)
      assert.deepEqual(
        [...scannedRows(await store.scan(`${sql} LIMIT 0`, { no: '' }), columns)],
        [],
      )
    })

    test('a query that fails behind a million rows gives none of them', async () => {
      const sql = `SELECT toString(number) AS name, toDateTime64(0, 3, 'UTC') AS at, toUInt16(0) AS short,
        toUInt64(throwIf(number = 1000000) + number) AS id FROM numbers(1000001)`
      await assert.rejects(store.scan(sql), refusal('storeRejected', /395/))
      const bytes = await store.scan(
        "SELECT 'a' AS name, toDateTime64(1, 3, 'UTC') AS at, toUInt16(2) AS short, toUInt64(3) AS id",
      )
      const [row] = scannedRows(bytes, columns)
      assert.deepEqual(row, { name: 'a', at: 1000, short: 2, id: 3 })
    })
  })

  describe('errors', () => {
    const cases: [string, string, RegExp][] = [
      ['SELEC 1', 'storeRejected', /62 SYNTAX_ERROR/],
      ['SELECT * FROM nowhere', 'storeRejected', /60 UNKNOWN_TABLE.*nowhere/],
      ["SELECT toUInt8('x')", 'storeRejected', /6 CANNOT_PARSE_TEXT/],
      [
        'SELECT count() FROM system.numbers SETTINGS max_execution_time = 0.05',
        'storeRefused',
        /159 TIMEOUT_EXCEEDED/,
      ],
      [
        'SELECT groupArray(number) FROM numbers(1000000) SETTINGS max_memory_usage = 1000000',
        'storeRefused',
        /241 MEMORY_LIMIT/,
      ],
    ]
    for (const [sql, code, message] of cases)
      test(`${sql} is ${code}, and the store goes on`, async () => {
        await assert.rejects(store.query(sql), refusal(code, message))
        assert.deepEqual(await store.query('SELECT 1 AS one'), [{ one: 1 }])
      })

    test('what a query wrote before it failed is in no later answer', async () => {
      const failing = 'SELECT number, throwIf(number = 300000) FROM numbers(500000)'
      for (const next of ['SELECT 1 AS one', 'SELECT {one:UInt8} AS one']) {
        await assert.rejects(store.query(failing), refusal('storeRejected', /395/))
        const left = "SELECT 1 FROM system.processes WHERE query LIKE '%throw' || 'If%'"
        assert.deepEqual(await store.query(left), [])
        assert.deepEqual(await store.query(next, { one: 1 }), [{ one: 1 }])
      }
    })

    test('too many parts is refused for now', async () => {
      const name = await table('many_parts')
      await store.command(
        `ALTER TABLE ${name} MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1, max_delay_to_insert = 1`,
      )
      await store.command(`SYSTEM STOP MERGES ${name}`)
      await store.insert(name, [row({})])
      await assert.rejects(
        store.insert(name, [row({})]),
        refusal('storeRefused', /252 TOO_MANY_PARTS/),
      )
    })

    test('a message is one line', async () => {
      const error = await store.query('SELECT\n1 FROM\nnowhere').catch((thrown: Error) => thrown)
      assert.ok(error instanceof Error && !error.message.includes('\n'))
    })
  })

  test('a command with parameters works on what is stored', async () => {
    const name = await table('commanded')
    const params: Params = { text: "it's", count: 3 }
    await store.command(
      `INSERT INTO ${name} (id, name) SELECT number, {text:String} FROM numbers({count:UInt8})`,
      params,
    )
    assert.deepEqual(await store.query(`SELECT DISTINCT name FROM ${name}`), [{ name: "it's" }])
  })
}
