/** `ebb rebuild` of a project in one process, by its executable: whole, and killed at each of its steps. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { readEpochs } from '../../services/rebuild/epochs.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { door, ebb, startUp } from '../control/ebb.ts'
import { shopLog, shopRules, shopStartMs } from '../processor/shop.ts'
import { append, foldAll, keepRules, present, type Rebuilder, seen, views } from './rebuilder.ts'

const shop = { seed: 20_260_105, clicks: 3_000, users: 150, stepMs: 25_000 }
const partitions = 2

let directory: string
/** What people see of the project that is never rebuilt. */
let steady: Record<string, unknown[]>

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ebb-rebuild-'))
  const data = join(directory, 'steady/data')
  mkdirSync(data, { recursive: true })
  writeFileSync(join(data, 'project'), 'default\n')
  const store = await openEmbeddedStore({ directory: join(data, 'clickhouse'), database: 'ebb' })
  await migrate(store)
  const log = await openEmbeddedLog({
    directory: join(data, 'log'),
    clock: () => project.nowMs,
  })
  const project: Rebuilder = { log, store, shadow: store, nowMs: 0 }
  await log.ensure('alerts', {
    partitions,
    retentionMs: Number.POSITIVE_INFINITY,
    retentionBytes: Number.POSITIVE_INFINITY,
  })
  await keepRules(project, shopRules)
  const only = await present(project, partitions)
  await append(project, only, shopLog(shop, 1)[0]!)
  await foldAll(project, only)
  await log.close()
  await store.close()
  // What an opening changes by itself, as cutoffs, it has changed then.
  for (let opening = 0; opening < 2; opening++) {
    const audited = await ebb(['audit'], join(directory, 'steady'))
    assert.equal(audited.status, 0, audited.stdout + audited.stderr)
  }
  steady = await seenIn('steady')
  for (const [name, rows] of Object.entries(steady)) assert.ok(rows.length > 20, name)
})
after(() => rmSync(directory, { recursive: true, force: true }))

async function seenIn(name: string): Promise<Record<string, unknown[]>> {
  const store = await openEmbeddedStore({
    directory: join(directory, name, 'data/clickhouse'),
    database: 'ebb',
  })
  return seen({ store }).finally(() => store.close())
}

/** Another one like it. */
function copyOf(name: string): string {
  cpSync(join(directory, 'steady'), join(directory, name), { recursive: true })
  return join(directory, name)
}

async function assertSame(name: string): Promise<void> {
  const audited = await ebb(['audit'], join(directory, name))
  assert.equal(audited.status, 0, audited.stdout + audited.stderr)
  const found = await seenIn(name)
  for (const view of Object.keys(views)) assert.deepEqual(found[view], steady[view], view)
}

test('history that comes late is refused by ebb import, which names ebb rebuild, and taken by that', async () => {
  const cwd = copyOf('history')
  const rows = Array.from({ length: 50 }, (_, at) => {
    const time = new Date(shopStartMs - (at + 1) * 3_600_000).toISOString()
    return `${at % 2 ? 'user 1' : 'newcomer'},${time},h${at},${at}`
  })
  writeFileSync(join(cwd, 'history.csv'), ['who,at,id,revenue', ...rows, 'x,never,y,1'].join('\n'))
  const columns = ['--user', 'who', '--time', 'at', '--id', 'id', '--event', 'purchase']
  const refused = await ebb(['import', 'history.csv', ...columns], cwd)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /ebb rebuild/)
  const missing = await ebb(['rebuild', 'nothing.csv', ...columns], cwd)
  assert.equal(missing.status, 1)
  const none = await ebb(['doctor'], cwd)
  assert.doesNotMatch(none.stdout, /rebuild/, 'a rebuild whose files cannot be read is given up')
  const rebuilt = await ebb(['rebuild', 'history.csv', ...columns], cwd)
  assert.equal(rebuilt.status, 0, rebuilt.stderr)
  assert.match(rebuilt.stdout, /taken +50/)
  assert.match(rebuilt.stderr, /history.csv, line 52: time/)
  const found = await seenIn('history')
  assert.equal(found.clicks!.length, steady.clicks!.length + 50)
  const rejects = found.rejects as { kind: string; bytes: string }[]
  assert.ok(rejects.some(({ kind, bytes }) => kind === 'dead' && bytes === 'x,never,y,1'))
  const user = await ebb(['user', 'newcomer'], cwd)
  assert.match(user.stdout, /with 25 clicks/)
  const audited = await ebb(['audit'], cwd)
  assert.equal(audited.status, 0, audited.stdout + audited.stderr)
})

test('rebuilt, it is what it was, and goes on', async () => {
  const cwd = copyOf('whole')
  const rebuilt = await ebb(['rebuild'], cwd)
  assert.equal(rebuilt.status, 0, rebuilt.stderr)
  assert.match(rebuilt.stdout, /rebuilt, and in epoch 1/)
  await assertSame('whole')
  const again = await ebb(['rebuild'], cwd)
  assert.match(again.stdout, /rebuilt, and in epoch 2/)
  await assertSame('whole')
  const grown = await ebb(['grow', '8'], cwd)
  assert.match(grown.stdout, /8 partitions, in epoch 3/, grown.stderr)
  const audited = await ebb(['audit'], cwd)
  assert.equal(audited.status, 0, audited.stdout + audited.stderr)
})

/** What a refusal must leave alone; the next opening would bring a rebuild behind the seals to its end. */
async function assertUntouched(name: string): Promise<void> {
  const checked = await ebb(['doctor'], join(directory, name))
  assert.doesNotMatch(checked.stdout, /rebuild/)
  const store = await openEmbeddedStore({
    directory: join(directory, name, 'data/clickhouse'),
    database: 'ebb',
  })
  const epochs = await readEpochs(store)
  const beside = await store.query("SELECT name FROM system.databases WHERE name = 'ebb_rebuild'")
  await store.close()
  assert.deepEqual([epochs, beside], [[], []])
  const found = await seenIn(name)
  for (const view of Object.keys(views)) assert.deepEqual(found[view], steady[view], view)
}

test('options that mean nothing, and files that it cannot read, change nothing', async () => {
  const cwd = copyOf('refused')
  writeFileSync(join(cwd, 'history.csv'), 'who,at\nuser 1,2026-01-05')
  for (const [args, sentence] of [
    [['--event', 'x', '--event-column', 'y'], /Give --event NAME or --event-column COLUMN/],
    [['--refund-prefix', 'C'], /--refund-prefix: needs --order/],
    [['--zone', 'Nowhere/Land'], /--zone|Nowhere/],
    [['--time', 'at', '--event', 'x'], /history.csv has no column userId \(--user\)/],
  ] as const) {
    const refused = await ebb(['rebuild', 'history.csv', ...args], cwd)
    assert.equal(refused.status, 1, refused.stdout)
    assert.match(refused.stderr, sentence)
  }
  await assertUntouched('refused')
})

test('where there is no project none is begun', async () => {
  const cwd = join(directory, 'nowhere')
  mkdirSync(cwd)
  const refused = await ebb(['rebuild'], cwd)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /There is no project in .*data.* --data, or begin one/)
  assert.deepEqual(readdirSync(cwd), [])
})

test('tables of a newer Ebb are left alone', async () => {
  const cwd = copyOf('newer')
  const place = { directory: join(cwd, 'data/clickhouse'), database: 'ebb' }
  const newer = await openEmbeddedStore(place)
  await newer.insert('migrations', [{ number: 900, name: '900_later.sql', sha256: '0'.repeat(64) }])
  await newer.close()
  const refused = await ebb(['rebuild'], cwd)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /900_later.sql, which this Ebb does not know: it is older/)
  const older = await openEmbeddedStore(place)
  await older.command('DELETE FROM migrations WHERE number = 900')
  await older.close()
  await assertUntouched('newer')
})

test('the demo shop is not rebuilt', async () => {
  const cwd = copyOf('demo')
  writeFileSync(join(cwd, 'data/project'), 'demo\n')
  const refused = await ebb(['rebuild'], cwd)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /The demo shop is not rebuilt/)
  writeFileSync(join(cwd, 'data/project'), 'default\n')
  await assertUntouched('demo')
})

/** Kills it as soon as it says that. */
async function killAt(cwd: string, sentence: string): Promise<void> {
  const child = spawn(process.execPath, [door, 'rebuild'], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
    if (said.includes(sentence)) child.kill('SIGKILL')
  })
  const [, signal] = await once(child, 'exit')
  assert.equal(signal, 'SIGKILL', said)
}

const sentences = ['in order', 'records go to', 'are folded', 'is sealed', 'goes on in e1.clicks']

for (const sentence of sentences)
  test(`killed when it says "${sentence}", and given again, it ends the same`, async () => {
    const name = `killed ${sentences.indexOf(sentence)}`
    const cwd = copyOf(name)
    await killAt(cwd, sentence)
    const rebuilt = await ebb(['rebuild'], cwd)
    assert.equal(rebuilt.status, 0, rebuilt.stderr)
    assert.match(rebuilt.stdout, /rebuilt, and in epoch [12]\./)
    await assertSame(name)
  })

test('killed behind the seals, the next start goes on with it, and clicks count', async t => {
  const cwd = copyOf('started')
  await killAt(cwd, 'is sealed')
  const up = await startUp(cwd, '--no-demo')
  t.after(() => up.stop('SIGKILL'))
  const refused = await ebb(['rebuild'], cwd)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /is rebuilt while it is stopped/)
  const event = { type: 'track', event: 'page', userId: 'new', messageId: 'new' }
  const answer = await fetch(`${up.collector}/v1/track`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
  })
  assert.equal(answer.status, 200)
  assert.match((await ebb(['user', 'new'], cwd)).stdout, /with 1 clicks?/)
  await up.stop('SIGINT')
})
