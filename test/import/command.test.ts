import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Command } from 'commander'
import { addImportCommand } from '../../services/collector/import/command.ts'
import { printSink } from '../../services/collector/import/print.ts'
import { openProgress } from '../../services/collector/import/progress.ts'
import type { ImportTarget } from '../../services/collector/import/target.ts'
import { file, memoryOutput, nowMs, openProject, print } from './fixture.ts'

const content = `userId,timestamp,event\nanna,2024-03-13 10:21:14,home\n,2024-03-13,home\n`

/** Runs `ebb import ...args`. */
async function ebb(args: readonly string[], target: ImportTarget | null, stdin = '') {
  const out = memoryOutput()
  const err = memoryOutput()
  const connected: object[] = []
  const program = new Command('ebb').option('--data <directory>')
  const connect = async (command: Command) => {
    connected.push(command.optsWithGlobals())
    assert.ok(target, 'nobody connects')
    return target
  }
  addImportCommand(program, connect, {
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout: out.output,
    stderr: err.output,
    environment: {},
    nowMs: () => nowMs,
  })
  await program.parseAsync(['import', ...args], { from: 'user' })
  return { out: out.text(), err: err.text(), connected }
}

async function closable(t: TestContext) {
  const project = await openProject(t)
  let closed = 0
  const close = async () => void closed++
  return { ...project, target: { ...project.target, close }, closed: () => closed }
}

test('--print writes clicks to standard output, all else to standard error, and connects to nothing', async t => {
  const { out, err } = await ebb(['--print', file(t, 'a.csv', content)], null)
  assert.equal(out.split('\n').length, 2)
  const { messageId, ...event } = JSON.parse(out)
  assert.match(messageId, /^[0-9a-f]{20}:2$/)
  const timeMs = Date.parse('2024-03-13T10:21:14Z')
  const expected = {
    userId: 'anna',
    timestamp: timeMs,
    receivedAt: timeMs,
    type: 'track',
    event: 'home',
  }
  assert.deepEqual(event, { ...expected, properties: {}, imported: true })
  assert.match(err, /a\.csv, line 3: user: userId: empty/)
  assert.match(err, /^printed +1$/m)
})

test('an import says what it did', async t => {
  const { target, contents, closed } = await closable(t)
  const verdicts = async () => ({ accepted: 1, late: 0 })
  const args = ['--zone', 'Europe/London', file(t, 'a.csv', content)]
  const { out, err } = await ebb(args, { ...target, verdicts })
  assert.equal(
    out,
    [
      'read           2  rows',
      'dead           1  user 1',
      'clicks         1',
      'appended       1',
      'already there  0',
      'accepted       1',
      'late           0',
      'Times without a zone: 1, read in Europe/London; --zone names another.',
      '',
    ].join('\n'),
  )
  assert.equal(err.split('\n').length, 2)
  assert.equal((await contents()).flat().length, 1)
  assert.equal(closed(), 1)
})

test('bad rows go to the target; twenty of them are shown', async t => {
  const rejected: number[] = []
  const reject: ImportTarget['reject'] = async rows =>
    void rejected.push(...rows.map(row => row.line))
  const { target } = await closable(t)
  const rows = Array(30).fill('anna,never,home').join('\n')
  const path = file(t, 'a.csv', `userId,timestamp,event\n${rows}\n`)
  const { err, out } = await ebb([path], { ...target, reject })
  assert.equal(rejected.length, 30)
  assert.equal(err.match(/, line \d+: time: /g)?.length, 20)
  assert.match(err, /More bad rows follow/)
  assert.match(out, /^dead +30 +time 30$/m)
})

test('a refusal reaches the caller, and the target is closed', async t => {
  const { target, closed } = await closable(t)
  await assert.rejects(ebb(['/none.csv'], target), { code: 'badInput' })
  assert.equal(closed(), 1)
})

test('options of the program and repeated properties arrive', async t => {
  const path = file(t, 'a.csv', 'user,at,a,b,c\nanna,2024-03-13,1,2,3\n')
  const { target } = await closable(t)
  const mapped = [
    '--user',
    'user',
    '--time',
    'at',
    '--event',
    'x',
    '--property',
    'a',
    '--property',
    'z=b',
  ]
  const { connected } = await ebb([...mapped, '--data', '/d', path], target)
  assert.equal((connected[0] as { data: string }).data, '/d')
  const { out } = await ebb([...mapped, '--print', path], null)
  assert.deepEqual(JSON.parse(out).properties, { a: '1', z: '2' })
})

test('standard input, packed or not, is the same file', async t => {
  const { out } = await ebb(['--print', '-'], null, content)
  const path = file(t, 'other-name.gz', gzipSync(content))
  assert.equal((await ebb(['--print', path], null)).out, out)
})

test('NDJSON with a mapping: top-level keys are columns', async t => {
  const line = JSON.stringify({
    uid: 17850,
    ts: 1710325274,
    name: 'home',
    device: { os: 'mac' },
    x: null,
  })
  const options = { user: 'uid', time: 'ts', timeUnit: 's', eventColumn: 'name' }
  const { lines } = await print(file(t, 'a.ndjson', line), options)
  const { userId, timestamp, event, properties } = JSON.parse(lines[0]!)
  assert.deepEqual([userId, timestamp, event], ['17850', 1710325274000, 'home'])
  assert.deepEqual(properties, { device: { os: 'mac' } })
})

test('what --print wrote is read as it stands', async t => {
  const { lines } = await print(file(t, 'a.csv', content))
  const again = await print(file(t, 'b.ndjson', lines.join('\n')))
  assert.deepEqual(again.lines, lines)
})

test('a reader that has had enough ends --print quietly', async t => {
  const rows = 'anna,2024-03-13,home\n'.repeat(5000)
  const path = file(t, 'a.csv', `userId,timestamp,event\n${rows}`)
  const closed = Object.assign(new Error('closed'), { code: 'EPIPE' })
  let blocks = 0
  const output = new Writable({
    write: (_chunk, _encoding, done) => done(blocks++ > 0 ? closed : null),
  })
  const { summary } = await print(path, {}, { sink: printSink(output) })
  assert.equal(blocks, 2)
  assert.equal(summary.clicks, 5000)
})

/** What is on the screen while the clock goes on by `stepMs` a block. */
function screenOf(isTerminal: boolean, hasColor: boolean, stepMs: number): string {
  let text = ''
  let clock = 0
  const nowMs = () => clock
  const write = (part: string) => {
    text += part
  }
  const progress = openProgress({ isTerminal, hasColor, nowMs, write })
  for (let done = 0; done <= 100; done += 25) {
    progress.show({ stage: 'reading', done: done * 1e6, total: 100e6, rows: done * 1000 })
    clock += stepMs
  }
  progress.say('a.csv, line 3: user')
  progress.end()
  return text
}

const cyan = '\x1b[36m'
const eraseLine = '\r\x1b[2K'

test('a terminal has one line that is redrawn', () => {
  const text = screenOf(true, false, 1000)
  const shown = '██████░░░░░░░░░░░░░░░░░░ reading 25 %: 25.0 MB, 25,000 rows, 25,000 rows/s'
  assert.ok(text.includes(`${shown}${eraseLine}`))
  assert.ok(text.endsWith(`${eraseLine}a.csv, line 3: user\n`))
})

test('color is for terminals that want it', () => {
  assert.ok(screenOf(true, true, 1000).includes(`${cyan}█`))
  assert.ok(!screenOf(true, false, 1000).includes(cyan))
})

test('elsewhere there is a plain line every few seconds', () => {
  const text = screenOf(false, true, 2500)
  for (const part of [cyan, '\r', '█']) assert.ok(!text.includes(part))
  assert.equal(text.split('\n').filter(line => line.startsWith('reading')).length, 2)
})
