/** The stand-in for ClickHouse beside the engine itself: the same rows in, the same queries, the same answers. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { partitionOf, slotOf } from '../../services/base/slot.ts'
import { rememberErasure } from '../../services/processor/erasures.ts'
import { migrate } from '../../services/store/migrate.ts'
import type { Params, Store } from '../../services/store/store.ts'
import { temporaryEngine } from '../store/fixture.ts'
import { runCommand } from './clickhouse/commands.ts'
import { answerQuery, openDeliveriesSql, queryTexts } from './clickhouse/queries.ts'
import { directStore } from './clickhouse/store-port.ts'
import { createTables, type Row, type Tables } from './clickhouse/tables.ts'
import type { Evidence } from './evidence.ts'
import { alertsTopic, clicksTopic, planOf } from './plan.ts'
import { simulate } from './world.ts'

/** Of a run with duplicates, merges, money, retries, a disabled endpoint and rows written twice. */
const seed = 42

/** Parameters to ask with, by those that a query has. */
function samplesOf(sql: string, { tables, plan }: Evidence): Params[] {
  const { partitions } = plan
  const ids = (column: string) => [
    ...new Set(tables.rows('deliveries').map(row => String(row[column]))),
  ]
  const places = [clicksTopic, alertsTopic].flatMap(topic =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  )
  const oldest = String(Math.min(...tables.rows('clicks').map(row => Number(row.timestamp))) + 9e6)
  if (sql.includes('{oldest')) {
    const users = [...new Set(tables.rows('clicks').map(row => String(row.user_id)))]
    return places.map(({ partition }) => {
      const here = users.filter(user => partitionOf(user, partitions) === partition)
      return { users: here, slots: here.map(slotOf), oldest }
    })
  }
  if (sql.includes('FROM erasures FINAL WHERE slot'))
    return places.map(({ partition }) => ({ partitions, partition }))
  if (sql.includes('{hashes'))
    return [
      { hashes: tables.rows('erasures').map(row => String(row.user_hash)) },
      { hashes: ['x'] },
    ]
  if (sql.includes('{from'))
    return places.map(({ partition }) => ({ from: 0, to: 4096, partitions, partition }))
  if (sql.includes('{next'))
    return places.map(({ partition }) => ({ epoch: 0, partition, next: '5' }))
  if (sql.includes('alert_id IN')) return [{ ids: ids('alert_id') }]
  if (sql.includes('message_id IN')) return [{ ids: ids('message_id').slice(1) }, { ids: ['x'] }]
  if (sql.includes('{endpoint:')) return [{ endpoint: 'endpoint-1' }, { endpoint: 'nobody' }]
  if (sql.includes('{kind:')) return [{ kind: 'settings' }, { kind: 'model' }]
  if (sql.includes('{enter:'))
    return [
      { enter: 0.2, leave: 0.25 },
      { enter: 0.9, leave: 1 },
    ]
  if (sql.includes('{partition')) return places
  if (sql.includes('{topic')) return [{ topic: clicksTopic }, { topic: 'nothing' }]
  return [{}]
}

/** Rows of the same columns in the same order, as text; sorted where the query promises no order. */
function shown(rows: readonly Row[], sql: string): string[] {
  const texts = rows.map(row => JSON.stringify(Object.entries(row).sort()))
  return /ORDER BY (?!status|attempt|version|revision)/.test(sql) ? texts : texts.sort()
}

describe('the stand-in for ClickHouse', () => {
  const engine = temporaryEngine()
  let store: Store
  let evidence: Evidence
  let tables: Tables

  before(async () => {
    evidence = (await simulate(planOf(seed))).evidence
    store = await engine.open()
    await migrate(store)
    tables = createTables()
    for (const { table, rows } of evidence.inserts) {
      tables.insert(table, rows)
      await store.insert(table, rows)
    }
    await eraseOne()
    await markOne()
  })
  /** One whose rows all stand still, as if each had been written behind his erasure. */
  async function eraseOne(): Promise<void> {
    const [{ user_id: userId } = {}] = tables.rows('deliveries')
    for (const one of [store, directStore(tables)])
      await rememberErasure(one, { epoch: 0, partition: 0 }, String(userId), 9_999, 0)
  }
  /** One whose row lacks ids, as if his session were long; he has clicks in it. */
  async function markOne(): Promise<void> {
    const newest = tables.rows('clicks').filter(row => row.verdict === 'accepted')
    newest.sort((one, other) => Number(other.timestamp) - Number(one.timestamp))
    const row = tables.rows('users').find(user => user.user_id === newest[0]!.user_id)!
    const state = String(row.state).replace('[0,', '[1,')
    for (const one of [store, directStore(tables)])
      await one.insert('users', [{ ...row, state, version: Number(row.version) + 16 }])
  }
  after(async () => {
    await store.close()
    engine.remove()
  })

  for (const sql of queryTexts)
    test(sql, async () => {
      for (const params of samplesOf(sql, evidence)) {
        const expected = shown(await store.query<Row>(sql, params), sql)
        assert.deepEqual(shown(answerQuery(tables, sql, params), sql), expected)
      }
    })

  test('every query but those after what is over found something', async () => {
    const empty = queryTexts.filter(sql =>
      samplesOf(sql, evidence).every(params => answerQuery(tables, sql, params).length === 0),
    )
    assert.deepEqual(empty, [openDeliveriesSql])
  })

  test('what FINAL shows of each table', async () => {
    for (const table of ['clicks', 'rejects', 'sessions', 'users', 'user_days', 'alerts']) {
      const [row] = await store.query<{ rows: string }>(
        `SELECT count() AS rows FROM ${table} FINAL`,
      )
      assert.equal(tables.rows(table).length, Number(row!.rows), table)
    }
  })

  test('a day counted again, and a user deleted', async () => {
    const [click] = tables.rows('clicks').filter(row => row.purchase)
    const { slot, user_id: user, partition } = click!
    const day = new Date(Number(click!.timestamp)).toISOString().slice(0, 10)
    const fromMs = Date.parse(day)
    // In two pieces, as where a change of the clocks repeats a midnight.
    const cutMs = Number(click!.timestamp)
    const from = [fromMs, cutMs].map(String)
    const until = [cutMs, fromMs + 86_400_000].map(String)
    const when = { day, from, until, epoch: 0, version: '999999', offset: '9999' }
    const recount = { ...when, slot, user, partition }
    const counted = await source('INSERT INTO user_days')
    await store.command(counted, recount as Params)
    runCommand(tables, counted, recount as Params)
    const sql =
      'SELECT clicks, orders, value, refunds FROM user_days FINAL WHERE user_id = {user:String} AND day = {day:String}'
    const [found] = await store.query<Row>(sql, { user: String(user), day })
    const [standIn] = tables
      .rows('user_days')
      .filter(row => row.user_id === user && row.day === day)
      .map(({ clicks, orders, value, refunds }) => ({ clicks, orders, value, refunds }))
    assert.deepEqual(Object.values(standIn!).map(Number), Object.values(found!).map(Number))
  })

  test('what is deleted of an erased user, up to his erasure', async () => {
    const rows = tables.rows('clicks')
    const { user_id: user, slot } = rows[0]!
    const offsets = rows.filter(row => row.user_id === user).map(row => Number(row.offset))
    const offset = offsets.sort((one, other) => one - other)[Math.floor(offsets.length / 2)]!
    const version = String(offset * 16 + 1)
    const params = {
      user: String(user),
      slot: Number(slot),
      epoch: 0,
      offset: String(offset),
      version,
    }
    const upTo = '(epoch, offset) <= ({epoch:UInt16}, {offset:UInt64})'
    const conditions = {
      clicks: `slot = {slot:UInt16} AND ${upTo}`,
      sessions: 'slot = {slot:UInt16} AND version <= {version:UInt64}',
      rejects: `source = 'log' AND ${upTo}`,
      deliveries: upTo,
    }
    for (const [table, condition] of Object.entries(conditions)) {
      const before = tables.rows(table).length
      const sql = `ALTER TABLE ${table} DELETE WHERE user_id = {user:String} AND ${condition} SETTINGS mutations_sync = 1`
      await store.command(sql, params)
      runCommand(tables, sql, params)
      const [left] = await store.query<{ rows: string }>(
        `SELECT count() AS rows FROM ${table} FINAL`,
      )
      assert.equal(tables.rows(table).length, Number(left!.rows), table)
      if (table === 'clicks') assert.ok(tables.rows(table).length < before, 'some went')
    }
    const left = tables.rows('clicks').filter(row => row.user_id === user)
    assert.ok(left.length > 0, 'what came after stays')
  })

  test('a query that nobody knows ends the simulation', () => {
    assert.throws(() => answerQuery(tables, 'SELECT 1'), /no answer to: SELECT 1/)
    assert.throws(() => runCommand(tables, 'DROP TABLE clicks'), /cannot run: DROP TABLE clicks/)
  })
})

/** A statement as services/processor/flush.ts has it. */
async function source(beginning: string): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(new URL('../../services/processor/flush.ts', import.meta.url), 'utf8')
  const statement = text.split('`').find(part => part.startsWith(beginning))
  assert.ok(statement, `${beginning} is in flush.ts`)
  return statement
}
