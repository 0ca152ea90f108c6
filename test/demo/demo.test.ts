import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { castNames } from '../../services/demo/names.ts'
import { freePort } from '../control/ebb.ts'
import type { Result } from './plan.ts'

const storyDays = 4

interface Run {
  readonly lines: string[]
  /** Undefined for a run that was killed. */
  readonly result: Result | undefined
}

interface Place {
  readonly directory: string
  /** The same at every start: what an endpoint that is gone was not told, its successor is not told either. */
  readonly receiverPort: number
}

/** Kills it soon after the `killAt`th line that begins with `word`. */
async function run(t: TestContext, place: Place, word = '', killAt = Infinity): Promise<Run> {
  const script = fileURLToPath(new URL('child.ts', import.meta.url))
  const child: ChildProcess = spawn(
    process.execPath,
    [script, place.directory, String(storyDays), String(place.receiverPort)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '16', NODE_NO_WARNINGS: '1' },
    },
  )
  t.after(() => child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout! }).on('line', line => {
    lines.push(line)
    if (line.startsWith(word) && --killAt === 0) child.kill('SIGKILL')
  })
  const [code] = await once(child, 'close')
  const said = lines.find(line => line.startsWith('result '))
  assert.equal(code, said ? 0 : null, lines.join('\n'))
  return { lines, result: said ? JSON.parse(said.slice('result '.length)) : undefined }
}

async function newPlace(t: TestContext): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-demo-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return { directory, receiverPort: await freePort() }
}

/** Alerts that do not hang on when the tiers were computed: the first of the cast are far above any cutoff. */
function sureAlerts({ alerts }: Result) {
  const cast: readonly string[] = castNames.slice(0, 3)
  return alerts.filter(
    alert => alert.rule_id === 'buying-stopped' || cast.includes(String(alert.user_id)),
  )
}

test('a demo: high-value users go quiet and return, killed twice or not', {
  timeout: 240_000,
}, async t => {
  const place = await newPlace(t)
  const [whole, cut] = await Promise.all([
    newPlace(t).then(other => run(t, other)),
    (async () => {
      const inHistory = await run(t, place, '  history', 1)
      const inStory = await run(t, place, 'beat', 4)
      const last = await run(t, place)
      return {
        lines: [inHistory, inStory, last].flatMap(({ lines }) => lines),
        result: last.result,
      }
    })(),
  ])
  const { result, lines } = whole
  assert.ok(result && cut.result)
  const said = (text: string) => lines.filter(line => line.includes(text))
  const [maya] = castNames

  await t.test('the signed alert and the return reach the receiver', () => {
    const [alert] = said(`signed alert received: ${maya} has been quiet for 3 d`)
    assert.match(alert!, / [1-9]\d*\.\d\d EUR at stake, rule high-value-quiet, signature ok$/)
    assert.equal(said(`signed message received: ${maya} is back after 4.7 d`).length, 1)
    assert.deepEqual(said('refused'), [])
  })

  await t.test('sessions close, and no click is refused', () => {
    assert.ok(result.sessions.filter(({ final }) => final).length > 500)
    assert.deepEqual(result.rejects, [])
  })

  await t.test('kills lose and double nothing', () => {
    assert.deepEqual(cut.result!.clicks, result.clicks)
    assert.deepEqual(cut.result!.rejects, [])
    assert.deepEqual(cut.result!.sessions, result.sessions)
    assert.ok(sureAlerts(result).length >= 4)
    assert.deepEqual(sureAlerts(cut.result!), sureAlerts(result))
    const told = new Set(cut.lines.filter(line => line.startsWith('signed')))
    for (const line of said('signed')) assert.ok(told.has(line), line)
  })
})
