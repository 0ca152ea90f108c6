/** The commands about a project, on servers: a real Kafka, `ebb clickhouse`, services in processes of their own. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { openServerStore } from '../../services/store/server.ts'
import type { Store } from '../../services/store/store.ts'
import { startReceiver } from '../../services/webhooks/receiver.ts'
import { ebb, freePort } from '../control/ebb.ts'
import { type Service, startService } from './services.ts'

const minuteMs = 60_000
const project = `commands${process.pid}`
const brokers = await brokersForTest(1, { own: false })
const skip = typeof brokers === 'string' ? brokers : false

let cwd: string
let store: Store
let addresses: Record<string, string>
const running: Service[] = []

async function start(...args: string[]): Promise<Service> {
  const service = startService(args, cwd)
  running.push(service)
  await service.says(/topic {2}|runs: http/)
  return service
}

/** The services by flags. */
const startAlone = (...args: string[]) =>
  start(
    ...args,
    ...['--kafka', addresses.EBB_KAFKA!, '--clickhouse', addresses.EBB_CLICKHOUSE!],
    ...['--clickhouse-user', 'writer', '--project', project, '--health-port', '0'],
  )

/** The commands by variables, as they stand in a container. */
async function run(args: readonly string[], input = '') {
  return ebb(args, cwd, input, addresses)
}

async function did(args: readonly string[], input = ''): Promise<string> {
  const { status, stdout, stderr } = await run(args, input)
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
}

before(async () => {
  if (typeof brokers === 'string') return
  cwd = mkdtempSync(join(tmpdir(), 'ebb-commands-'))
  const sqlPort = await freePort()
  const url = `http://127.0.0.1:${sqlPort}`
  addresses = {
    EBB_KAFKA: brokers.addresses.join(','),
    EBB_CLICKHOUSE: url,
    EBB_CLICKHOUSE_USER: 'writer',
    EBB_PROJECT: project,
  }
  await start('clickhouse', '--data', 'ch', '--sql-port', `${sqlPort}`)
  store = await openServerStore({ url, database: project, user: 'writer' })
})

after(async () => {
  if (typeof brokers === 'string') return
  for (const { child, stop } of running.reverse())
    if (child.exitCode === null && child.signalCode === null) await stop('SIGTERM')
  await store.close()
  await brokers.stop()
  rmSync(cwd, { recursive: true, force: true })
})

test('a command about a project that nobody began says so, and begins none', { skip }, async () => {
  const { status, stderr } = await run(['rules', 'list'])
  assert.equal(status, 1)
  assert.match(stderr, new RegExp(`no project ${project} on .* no topic ${project}.clicks`))
  const both = await run(['rules', 'list', '--data', 'x', '--kafka', '127.0.0.1:1'])
  assert.match(both.stderr, /give one of them/)
})

test('a directory on the command line outweighs servers in the variables', { skip }, async () => {
  const { stderr } = await run(['rules', 'list', '--data', 'nowhere'])
  assert.match(stderr, /There is no project in nowhere/)
})

test('without a processor a rule is kept and on every log, and the command says what it waits for', {
  skip,
}, async () => {
  const { status, stdout, stderr } = await run(
    ['rules', 'apply', '-'],
    '{"id":"half","when":{"quiet_for":"30m"}}',
  )
  assert.equal(status, 0, stderr)
  assert.match(stdout, /half: applied/)
  assert.match(stderr, /Waiting for a processor: 8 records of 4 partitions/)
  assert.match(stderr, /no processor goes on with them.* ebb processor/)
})

test('an import waits for the fold and says what it said of the clicks', { skip }, async () => {
  await startAlone('processor')
  const at = (minutesAgo: number) => new Date(Date.now() - minutesAgo * minuteMs).toISOString()
  writeFileSync(
    join(cwd, 'clicks.csv'),
    `userId,timestamp,event\nada,${at(200)},home\nada,${at(45)},cart\nbob,yesterday,home\n`,
  )
  const said = await did(['import', 'clicks.csv'])
  assert.match(said, /accepted\W+2/)
  const rejects = await store.query("SELECT reason FROM rejects FINAL WHERE source = 'import'")
  assert.deepEqual(rejects, [{ reason: 'time' }])
})

test('rules are listed, changed, tested and removed; a typo changes nothing', {
  skip,
}, async () => {
  assert.match(await did(['rules', 'list']), /^{"id":"half"/)
  const rule = '{"id":"week","when":{"quiet_for":"7d"}}'
  assert.match(await did(['rules', 'apply', '-'], rule), /week: applied/)
  assert.match(await did(['rules', 'apply', '-'], rule), /week: is so already/)
  const typo = await run(['rules', 'apply', '-'], '{"id":"x","when":{"quiet_fro":"7d"}}')
  assert.equal(typo.status, 1)
  assert.match(typo.stderr, /when\.quiet_fro/)
  assert.match(await did(['rules', 'remove', 'week']), /week: removed/)
  assert.doesNotMatch(await did(['rules', 'list']), /week/)
  assert.match(await did(['rules', 'test', '-'], rule), /week: 0 alerts/)
  const rows = await store.query<{ partition: number; state: string }>(
    "SELECT partition, state FROM progress FINAL WHERE endsWith(topic, '.clicks')",
  )
  assert.equal(rows.length, 4)
  for (const { state } of rows) assert.match(state, /\["rule:week",2\]/, 'in force everywhere')
})

test('an endpoint that is added while webhooks run gets the next alert, signed with the secret told', {
  skip,
}, async t => {
  const arrived = Promise.withResolvers<string>()
  let secret = ''
  const receiver = await startReceiver({
    port: 0,
    secrets: () => [secret],
    onMessage: ({ body }) => arrived.resolve(body),
    onRefused: reason => arrived.reject(new Error(reason)),
  })
  t.after(() => receiver.stop())
  const add = ['endpoints', 'add', receiver.url, '--keys', 'keys']
  const early = await run(add)
  assert.match(early.stderr, /no key file keys\/secret.key/)
  mkdirSync(join(cwd, 'keys'))
  await startAlone('webhooks', '--keys', 'keys')
  const added = await did(add)
  secret = /whsec_\S+/.exec(added)![0]
  assert.match((await run(add)).stderr, /already/)
  assert.match(await did(['live']), /is live/)
  const alert = JSON.parse(await arrived.promise)
  assert.equal(alert.data.user_id, 'ada')
  const id = added.split(':')[0]!
  assert.match(await did(['endpoints', 'list']), new RegExp(`${id} .* enabled`))
  assert.match(await did(['endpoints', 'remove', id]), /removed/)
  assert.match(await did(['endpoints', 'list']), /no endpoints yet/)
})

test('a user is explained by what is folded, the last click included', { skip }, async () => {
  const user = JSON.parse(await did(['user', 'ada', '--json']))
  assert.equal(user.signals.clicks, 2)
  assert.equal(user.alerts[0].status, 'fired')
  assert.match(user.rules[0].says, /All steps of this silence are recorded/)
  const nobody = await run(['user', 'nobody'])
  assert.equal(nobody.status, 1)
  assert.match(nobody.stdout, /has not seen/)
})

test('the dump of a partition through the pipe gives the sessions of the tables', {
  skip,
}, async () => {
  assert.match((await run(['log', 'dump'])).stderr, /choose one with --partition 0 \.\. 3/)
  let starts: string[] = []
  for (const partition of [0, 1, 2, 3]) {
    const dump = await did(['log', 'dump', '--partition', `${partition}`])
    const piped = await did(['pipe', '--clock', 'log'], dump)
    starts = [
      ...starts,
      ...[...piped.matchAll(/"session":\{.*?"start":(\d+)/g)].map(found => found[1]!),
    ]
  }
  const rows = await store.query<{ start: string }>(
    'SELECT toUnixTimestamp64Milli(start) AS start FROM sessions FINAL ORDER BY start',
  )
  assert.equal(rows.length, 2)
  assert.deepEqual(
    starts.sort(),
    rows.map(row => row.start),
  )
})

test('an import into the live project is refused', { skip }, async () => {
  const { status, stderr } = await run(['import', 'clicks.csv'])
  assert.equal(status, 1)
  assert.match(stderr, /live/)
})

test('an erasure goes from the command through the processor to the webhooks', {
  skip,
}, async () => {
  const rowsOf = async (userId: string) => {
    const counts = await Promise.all(
      ['clicks', 'sessions', 'users', 'user_days', 'alerts', 'deliveries'].map(async table => {
        const sql = `SELECT count() AS count FROM ${table} WHERE user_id = {user:String}`
        const [row] = await store.query<{ count: string }>(sql, { user: userId })
        return Number(row!.count)
      }),
    )
    return counts.filter(count => count > 0).length
  }
  assert.equal(await rowsOf('ada'), 6)
  const said = await did(['erase', 'ada'])
  assert.match(said, /^ada: erased/)
  assert.doesNotMatch(said, /No webhooks run/)
  assert.equal(await rowsOf('ada'), 0)
  assert.match((await run(['user', 'ada'])).stdout, /has not seen/)
})
