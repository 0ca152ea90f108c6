/** The whole of Ebb in one process, as its users run it: real executable, sockets, signals, files. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { claimKind } from '../../services/control/kind.ts'
import { door, ebb, startUp, type Up } from './ebb.ts'

let cwd: string
let up: Up

before(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'ebb-up-'))
  up = await startUp(cwd, '--no-demo')
})

after(async () => {
  if (up.child.exitCode === null && up.child.signalCode === null) await up.stop('SIGKILL')
  rmSync(cwd, { recursive: true, force: true })
})

async function track(event: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${up.collector}/v1/track`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
  })
  return { status: response.status, body: await response.json() }
}

async function sql(query: string): Promise<string> {
  const response = await fetch(`${up.sql}/?query=${encodeURIComponent(query)}`)
  return (await response.text()).trim()
}

test('the first lines say what runs where, the page first', async () => {
  const lines = up
    .output()
    .split('\n')
    .filter(line => line.includes('http://'))
  assert.match(lines[0]!, /page/)
  assert.equal((await fetch(up.page)).status, 200)
})

test('history is imported into the running Ebb, and what is bad in it is kept', async () => {
  writeFileSync(
    join(cwd, 'clicks.csv'),
    'who,at,what\nada,2024-03-01 10:00:00,home\nada,2024-03-01 11:00:00,cart\n,2024-03-01 11:11:00,home\nbob,yesterday,home\n',
  )
  const args = ['--user', 'who', '--time', 'at', '--event-column', 'what']
  const ran = await ebb(['import', ...args, 'clicks.csv'], cwd)
  assert.equal(ran.status, 0, ran.stderr)
  assert.match(ran.stdout, /accepted\W+2/)
  assert.equal(
    await sql("SELECT count() FROM clicks FINAL WHERE imported AND user_id = 'ada'"),
    '2',
  )
  assert.equal(
    await sql(
      "SELECT reason, count() FROM rejects FINAL WHERE source = 'import' GROUP BY 1 ORDER BY 1",
    ),
    'time\t1\nuser\t1',
  )
  const again = await ebb(['import', ...args, 'clicks.csv'], cwd)
  assert.equal(again.status, 0, again.stderr)
  assert.equal(await sql('SELECT count() FROM clicks FINAL'), '2')
})

test('rules and endpoints are applied, listed and removed; a typo changes nothing', async () => {
  const rule = { id: 'week', when: { quiet_for: '7d' } }
  writeFileSync(join(cwd, 'rule.json'), JSON.stringify(rule))
  assert.match((await ebb(['rules', 'apply', 'rule.json'], cwd)).stdout, /week: applied/)
  assert.match((await ebb(['rules', 'apply', 'rule.json'], cwd)).stdout, /week: is so already/)
  assert.equal((await ebb(['rules', 'list'], cwd)).stdout.trim(), JSON.stringify(rule))
  const typo = await ebb(['rules', 'apply', '-'], cwd, '{"id":"x","when":{"quiet_fro":"7d"}}')
  assert.equal(typo.status, 1)
  assert.match(typo.stderr, /when\.quiet_fro/)
  assert.doesNotMatch((await ebb(['rules', 'list'], cwd)).stdout, /"x"/)
  const added = await ebb(['endpoints', 'add', 'http://127.0.0.1:9/hook'], cwd)
  assert.match(added.stdout, /whsec_/)
  const id = added.stdout.split(':')[0]!
  const twice = await ebb(['endpoints', 'add', 'http://127.0.0.1:9/hook'], cwd)
  assert.match(twice.stderr, /already/)
  assert.match((await ebb(['endpoints', 'list'], cwd)).stdout, new RegExp(id))
  assert.equal((await ebb(['endpoints', 'remove', id], cwd)).status, 0)
  assert.match((await ebb(['endpoints', 'list'], cwd)).stdout, /no endpoints yet/)
})

test('rules test says whom a rule would have caught, and changes nothing', async () => {
  const hour = '{"id":"minutes","when":{"quiet_for":"5m"}}'
  const ran = await ebb(['rules', 'test', '-'], cwd, hour)
  assert.equal(ran.status, 0, ran.stderr)
  assert.match(ran.stdout, /minutes: 1 alerts .* about 1 users; 1 came back/)
  assert.match(ran.stdout, /ada/)
  assert.doesNotMatch((await ebb(['rules', 'list'], cwd)).stdout, /minutes/)
  assert.equal(await sql('SELECT count() FROM alerts'), '0')
})

test('a click becomes a user that can be explained', async () => {
  const properties = { order_id: 'o1', revenue: 49.9 }
  const { status } = await track({ userId: 'eve', event: 'Order Completed', properties })
  assert.equal(status, 200)
  const { stdout } = await ebb(['user', 'eve', '--json'], cwd)
  const user = JSON.parse(stdout)
  assert.equal(user.signals.value90Minor, 499_000)
  assert.equal(user.rules[0].rule, 'week')
  assert.equal(user.rules[0].dueMs - user.rules[0].sinceMs, 7 * 86_400_000)
  assert.match((await ebb(['user', 'eve'], cwd)).stdout, /week: .*Quiet since/)
  const nobody = await ebb(['user', 'nobody'], cwd)
  assert.match(nobody.stdout, /has not seen/)
  assert.equal(nobody.status, 1)
})

test('/metrics has every figure that the operators’ page names, and tells of the click', async () => {
  const page = readFileSync(new URL('../../docs/operators.md', import.meta.url), 'utf8')
  const names = new Set([...page.matchAll(/`(ebb_[a-z_]+)/g)].map(([, name]) => name!))
  assert.ok(names.size > 15)
  const text = await (await fetch(`${up.health}/metrics`)).text()
  for (const name of names) assert.match(text, new RegExp(`^# HELP ${name} `, 'm'))
  assert.match(text, /^ebb_clicks_accepted_total 1$/m)
  assert.match(text, /^ebb_consumer_lag_records{partition="3"} 0$/m)
  assert.match(text, /^ebb_freshness_seconds{partition="\d"} \d/m)
  assert.match(text, /^ebb_webhooks_lag_records{partition="0"} 0$/m)
  assert.match(text, /^ebb_flush_rows_total{table="clicks"} 3$/m)
  assert.equal(await (await fetch(`${up.health}/readyz`)).text(), 'ok\n')
})

test('the old silence of the import leaves one alert, stale', async () => {
  assert.equal(await sql('SELECT user_id, status FROM alerts FINAL'), 'ada\tstale')
})

test('an import into the live project is refused with a sentence', async () => {
  const ran = await ebb(['import', '--user', 'who', '--time', 'at', 'clicks.csv'], cwd)
  assert.equal(ran.status, 1)
  assert.match(ran.stderr, /live/)
})

test('a second Ebb on the directory, and a taken port, get a sentence', async () => {
  const second = await ebb(['up', '--no-demo'], cwd)
  assert.equal(second.status, 1)
  assert.match(second.stderr, /in use by another Ebb/)
  assert.doesNotMatch(second.stderr, /\n\s+at /)
  const port = new URL(up.page).port
  const taken = await ebb(['up', '--no-demo', '--data', 'other', '--port', port], cwd)
  assert.equal(taken.status, 1)
  assert.match(taken.stderr, new RegExp(`${port}.* is taken`))
})

test('what a person may get wrong gets a sentence, and no stack', async () => {
  writeFileSync(join(cwd, 'file'), '')
  const cases: [string[], RegExp][] = [
    [['up', '--no-demo', '--data', 'file/x'], /file\/x cannot be used/],
    [['rules', 'list', '--data', 'nowhere'], /no project in nowhere/],
    [['rules', 'apply', 'file'], /no rule in it/],
    [['up', '--data', 'data', '--port', 'x'], /whole number/],
  ]
  for (const [args, sentence] of cases) {
    const { status, stderr } = await ebb(args, cwd)
    assert.equal(status, 1)
    assert.match(stderr, sentence)
    assert.doesNotMatch(stderr, /\n\s+at /)
  }
})

test('a reader of the dump who leaves early is no failure', async () => {
  const shell = `"${process.execPath}" "${door}" log dump --partition 0 | head -1`
  const { stdout, stderr } = await promisify(execFile)('sh', ['-c', shell], { cwd })
  assert.equal(stdout.split('\n').length, 2)
  assert.equal(stderr, '')
})

test('the dump through the pipe gives the sessions of the tables', async () => {
  let sessions = ''
  for (const partition of [0, 1, 2, 3]) {
    const dump = await ebb(['log', 'dump', '--partition', `${partition}`], cwd)
    assert.equal(dump.status, 0, dump.stderr)
    const piped = await ebb(['pipe', '--clock', 'log'], cwd, dump.stdout)
    sessions += piped.stdout
  }
  const ids = [...sessions.matchAll(/"session":\{"id":"(\w+)"/g)].map(([, id]) => id).sort()
  const stored = await sql('SELECT session_id FROM sessions FINAL ORDER BY session_id')
  assert.deepEqual(ids, stored.split('\n'))
})

test('kill -9 and a new start lose nothing; Ctrl-C ends well, and the next start goes on', async () => {
  assert.equal((await track({ userId: 'eve', event: 'home', messageId: 'last' })).status, 200)
  await up.stop('SIGKILL')
  up = await startUp(cwd, '--no-demo')
  await ebb(['user', 'eve'], cwd)
  assert.equal(await sql("SELECT verdict FROM clicks FINAL WHERE event_id = 'last'"), 'accepted')
  // A terminal sends it to all in its group, and whoever started Ebb passes it on.
  up.child.kill('SIGINT')
  await up.says(/Stopping/)
  assert.equal(await up.stop('SIGINT'), 0, up.output())
  const { stdout } = await ebb(['user', 'eve', '--json'], cwd)
  assert.equal(JSON.parse(stdout).signals.clicks, 2)
  assert.throws(() => readFileSync(join(cwd, 'data', 'ebb.lock')), /ENOENT/)
})

test('the demo is not poured into a real project, nor the other way round', async () => {
  const demo = await ebb(['up', '--data', 'data'], cwd)
  assert.equal(demo.status, 1)
  assert.match(demo.stderr, /holds a real project.* --no-demo/)
  mkdirSync(join(cwd, 'shop'))
  claimKind(join(cwd, 'shop'), 'demo')
  const real = await ebb(['up', '--no-demo', '--data', 'shop'], cwd)
  assert.equal(real.status, 1)
  assert.match(real.stderr, /holds the demo/)
})
