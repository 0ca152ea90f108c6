import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { wallClock } from '../../services/base/time.ts'
import { serveStore } from '../../services/store/http.ts'
import { openServerStore } from '../../services/store/server.ts'
import { watchStore } from '../../services/store/watch.ts'
import { startProxy } from '../servers/proxy.ts'
import { temporaryEngine } from './fixture.ts'

const engine = temporaryEngine()
after(() => engine.remove())

test('a call that failed is a fault until it works', async () => {
  const { store, faults } = watchStore(await engine.open())
  await store.command('CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n')
  assert.deepEqual(faults(), [])
  const beganAtMs = wallClock()
  await store.command('RENAME TABLE t TO away')
  await assert.rejects(store.insert('t', [{ n: 1 }]))
  await assert.rejects(store.query('SELECT * FROM t'))
  assert.equal(faults().length, 2)
  const [first] = faults()
  assert.match(first!.what, /^ClickHouse refused rows of t \(60 UNKNOWN_TABLE\)/)
  assert.ok(first!.sinceMs >= beganAtMs && first!.sinceMs <= wallClock())
  await assert.rejects(store.insert('t', [{ n: 1 }]))
  assert.equal(faults()[0]!.sinceMs, first!.sinceMs, 'since it first failed')
  await store.query('SELECT 1')
  assert.equal(faults().length, 2, 'another query says nothing of it')
  await store.command('RENAME TABLE away TO t')
  await store.query('SELECT * FROM t')
  assert.equal(faults().length, 1, 'no row was stored yet')
  await store.insert('t', [{ n: 1 }])
  assert.deepEqual(faults(), [])
  await store.close()
})

test('what nobody has tried for a minute is over when queries work', async () => {
  let nowMs = 0
  const { store, faults } = watchStore(await engine.open(), () => nowMs)
  await assert.rejects(store.query('SELECT once FROM nowhere'))
  await assert.rejects(store.query('SELECT always FROM nowhere'))
  await assert.rejects(store.insert('nowhere', [{ n: 1 }]))
  nowMs = 59_999
  await assert.rejects(store.query('SELECT always FROM nowhere'))
  await store.query('SELECT 1')
  assert.equal(faults().length, 3)
  nowMs = 60_000
  assert.equal(faults().length, 3, 'that no query worked says nothing')
  await store.query('SELECT 1')
  assert.deepEqual(
    faults().map(({ what }) => /a query|rows/.exec(what)![0]),
    ['a query'],
    'what is still tried',
  )
  await store.close()
})

test('a call without an answer is a fault after a while, and no more when it ends', async () => {
  const served = await engine.open()
  const server = await serveStore({ store: served, host: '127.0.0.1', port: 0, users: 'write' })
  const proxy = await startProxy({ host: '127.0.0.1', port: server.port })
  let nowMs = 0
  const direct = await openServerStore({ url: proxy.url, database: 'ebb', user: 'writer' })
  const { store, faults } = watchStore(direct, () => nowMs)
  await proxy.suffer({ kind: 'silent' })
  const insert = store.insert('t', [{ n: 2 }])
  nowMs = 9_999
  assert.deepEqual(faults(), [])
  nowMs = 35_400
  const askedAtMs = wallClock()
  const [fault] = faults()
  assert.equal(fault!.what, 'ClickHouse has not answered rows of t for 35 s')
  const sinceMs = fault!.sinceMs + 35_400
  assert.ok(sinceMs >= askedAtMs && sinceMs <= wallClock())
  await proxy.suffer({ kind: 'none' })
  await insert
  assert.deepEqual(faults(), [])

  await proxy.suffer({ kind: 'refused' })
  await assert.rejects(store.query('SELECT 2'))
  await assert.rejects(store.insert('t', [{ n: 3 }]))
  await proxy.suffer({ kind: 'none' })
  await store.query('SELECT 1')
  assert.match(faults()[0]!.what, /^ClickHouse refused rows of t: connect ECONNREFUSED/)
  await store.insert('t', [{ n: 3 }])
  assert.deepEqual(faults(), [])
  await store.close()
  await proxy.stop()
  await server.close()
  await served.close()
})
