/** `ebb erase`: nothing of the user is left in any table, and no replay brings him back (fault 45). */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { answerWith, startHook } from '../webhooks/fixture.ts'
import { ebb, startUp, type Up } from './ebb.ts'

const minuteMs = 60_000
let cwd: string
let up: Up
let hook: Awaited<ReturnType<typeof startHook>>

before(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'ebb-erase-'))
  up = await startUp(cwd, '--no-demo')
  // What is sent is refused, so that deliveries wait for their next attempt.
  hook = await startHook(answerWith(500))
})

after(async () => {
  if (up.child.exitCode === null && up.child.signalCode === null) await up.stop('SIGKILL')
  await hook.stop()
  rmSync(cwd, { recursive: true, force: true })
})

async function did(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await ebb(args, cwd)
  assert.equal(status, 0, stderr)
  return stdout
}

async function sql(query: string): Promise<string> {
  const response = await fetch(`${up.sql}/?query=${encodeURIComponent(query)}`)
  return (await response.text()).trim()
}

/** The tables that have rows of the user. */
async function tablesWith(userId: string): Promise<string[]> {
  const tables = await sql(
    `SELECT table FROM system.columns JOIN system.tables USING (database, table)
     WHERE database = currentDatabase() AND name = 'user_id' AND engine LIKE '%MergeTree' ORDER BY table`,
  )
  const found: string[] = []
  for (const table of tables.split('\n'))
    if ((await sql(`SELECT count() FROM ${table} WHERE user_id = '${userId}'`)) !== '0')
      found.push(table)
  return found
}

const everyTable = ['alerts', 'clicks', 'deliveries', 'rejects', 'sessions', 'user_days', 'users']

test('nothing of an erased user is left in any table, and nothing more is sent to him', async () => {
  const at = (minutesAgo: number) => new Date(Date.now() - minutesAgo * minuteMs).toISOString()
  const rows = ['ada', 'bob'].map(
    user =>
      `${user},${at(100)},home,${user}-1\n${user},${at(45)},cart,${user}-2\n${user},${at(45)},cart,${user}-2`,
  )
  writeFileSync(join(cwd, 'clicks.csv'), `userId,timestamp,event,messageId\n${rows.join('\n')}\n`)
  writeFileSync(join(cwd, 'rule.json'), '{"id":"half","when":{"quiet_for":"30m"}}')
  await did('import', 'clicks.csv')
  await did('endpoints', 'add', hook.url)
  await did('rules', 'apply', 'rule.json')
  await did('live')
  await hook.count(2)
  assert.deepEqual(await tablesWith('ada'), everyTable)
  assert.match(await did('erase', 'ada'), /^ada: erased/)
  assert.deepEqual(await tablesWith('ada'), [])
  assert.deepEqual(await tablesWith('bob'), everyTable)
  assert.notEqual(
    await sql("SELECT count() FROM deliveries WHERE user_id = 'bob' AND next_at IS NOT NULL"),
    '0',
  )
})

test('a kill and a start, and a replay of the whole log, do not bring him back', async () => {
  await up.stop('SIGKILL')
  up = await startUp(cwd, '--no-demo')
  await did('user', 'bob')
  assert.deepEqual(await tablesWith('ada'), [])
  assert.equal(await up.stop('SIGINT'), 0)
  const store = await openEmbeddedStore({
    directory: join(cwd, 'data/clickhouse'),
    database: 'ebb',
  })
  for (const table of [...everyTable, 'progress']) await store.command(`TRUNCATE TABLE ${table}`)
  await store.close()
  up = await startUp(cwd, '--no-demo')
  await did('user', 'bob')
  assert.deepEqual(await tablesWith('ada'), [])
  assert.ok((await tablesWith('bob')).includes('sessions'), 'the others are there again')
})

test('a user who comes back after his erasure begins anew', async () => {
  const click = { userId: 'ada', event: 'home', type: 'track' }
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify(click)
  const answer = await fetch(`${up.collector}/v1/track`, { method: 'POST', headers, body })
  assert.equal(answer.status, 200)
  const { signals } = JSON.parse(await did('user', 'ada', '--json'))
  assert.equal(signals.clicks, 1)
})

test('a directory without a running Ebb forgets too, and says what is left to do', async () => {
  assert.equal(await up.stop('SIGINT'), 0)
  assert.match(
    await did('erase', 'bob'),
    /erased;[\s\S]*forget what they had for him when they start next/,
  )
  up = await startUp(cwd, '--no-demo')
  assert.deepEqual(await tablesWith('bob'), [])
})
