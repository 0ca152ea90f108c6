// biome-ignore-all lint/performance/useDomNodeTextContent: what a viewer sees is what is tested
/**
 * The demo with its clicks cut off: nobody is paged for what is missing, the page says why, and alerts go on
 * when the clicks do. Once with time told as ever (few clicks), once without any sign of it (a hole).
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import pino from 'pino'
import { chromium, type Page } from 'playwright-core'
import { wallClock } from '../../services/base/time.ts'
import { projectCalls } from '../../services/control/calls.ts'
import { demoPartitions, demoSettings } from '../../services/control/kind.ts'
import { openSystem, type System } from '../../services/control/system.ts'
import { openDemoClock, startDemo } from '../../services/demo/demo.ts'
import { castNames } from '../../services/demo/names.ts'
import type { Cut, Plan } from '../../services/demo/replay.ts'
import { startWeb } from '../../services/web/app.ts'
import { settled } from './settled.ts'

const executablePath = '/usr/bin/chromium'
const skip = existsSync(executablePath) ? false : `there is no browser at ${executablePath}`
if (skip && process.env.CI) throw new Error(`CI needs a browser: ${skip}`)

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const openMs = Date.UTC(2025, 8, 1)
/** The guard knows what is usual after four weeks. */
const plan: Plan = {
  openMs,
  storyMs: openMs + 35 * dayMs,
  chunkMs: 7 * dayMs,
  stepMs: hourMs,
  lagMsMax: 0,
}
/** Quiet since 1.4 days before the story, so due on its second day at 14:24. */
const [maya] = castNames
const mayaDueMs = plan.storyMs + 1.6 * dayMs
const cutMs = 11 * hourMs
const endMs = plan.storyMs + 2 * dayMs

interface Moment {
  readonly clockMs: number
  /** Why alert timers wait; empty while they do not. */
  readonly held: string
  /** Alerts that the receiver had been told of by then. */
  readonly alertsTold: number
}

interface Fired {
  readonly user: string
  readonly rule: string
  readonly clockMs: number
}

interface Run {
  readonly cut: Cut | undefined
  readonly moments: readonly Moment[]
  readonly fired: readonly Fired[]
  /** What the page said while alerts waited; empty where none was looked at. */
  readonly said: string
  readonly told: readonly string[]
}

async function heldNow(store: System['store']): Promise<string> {
  const rows = await store.query<{ held: string }>(
    "SELECT held FROM progress FINAL WHERE topic = 'clicks'",
  )
  return rows.map(row => row.held).find(held => held !== '') ?? ''
}

async function firedOf(store: System['store']): Promise<Fired[]> {
  const rows = await store.query<{ user: string; rule: string; clock: string }>(
    `SELECT user_id AS user, rule_id AS rule, toUnixTimestamp64Milli(clock) AS clock
     FROM alerts FINAL WHERE status = 'fired' ORDER BY clock`,
  )
  return rows.map(({ user, rule, clock }) => ({ user, rule, clockMs: Number(clock) }))
}

async function openPage(t: TestContext, system: System): Promise<Page> {
  const logger = { warn: () => {}, error: () => {} }
  const web = await startWeb({
    ...{ store: system.store, project: 'demo', replay: true, wallClock, logger },
    ...{ host: '127.0.0.1', port: 0 },
  })
  t.after(() => web.stop())
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  t.after(() => browser.close())
  const page = await browser.newPage()
  await page.goto(web.url)
  return page
}

/** Two days of the story; the cut, if any, falls upon the second. */
async function run(t: TestContext, kind: 'none' | 'few' | 'hole'): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-cut-'))
  const clock = await openDemoClock(directory, plan)
  const system = await openSystem({
    ...{ directory, project: 'demo', partitions: demoPartitions, clock: clock.now },
    ...{ settings: demoSettings, logger: pino({ level: 'silent' }) },
    ...{ retentionMs: Number.POSITIVE_INFINITY, delivers: true },
  })
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const page = kind === 'none' ? undefined : await openPage(t, system)
  const moments: Moment[] = []
  const told: string[] = []
  const ended = Promise.withResolvers<void>()
  const stopped = Promise.withResolvers<void>()
  let cut: Cut | undefined
  let said = ''
  const beat = async () => {
    await settled(system)
    const held = await heldNow(system.store)
    // The history knows the time by its clicks alone: behind it timers wait for up to an hour, as behind a hole.
    const alertsTold = told.filter(toldOfAlert).length
    if (clock.now() > plan.storyMs + 2 * hourMs)
      moments.push({ clockMs: system.clockMs()!, held, alertsTold })
    if (kind !== 'none' && !cut && clock.now() >= plan.storyMs + dayMs / 2)
      cut = demo.cut(cutMs, kind === 'hole')
    if (page && moments.at(-1)?.held && said === '') {
      await page.locator('#held').waitFor({ state: 'visible' })
      said = await page.locator('#held').innerText()
    }
    if (clock.now() < endMs) return
    ended.resolve()
    await stopped.promise
  }
  const print = (line: string) => told.push(line)
  const calls = projectCalls(system)
  const demo = await startDemo({ system, clock, calls, print, receiverPort: 0, plan, beat })
  await ended.promise
  const fired = await firedOf(system.store)
  // The page takes it back, or this fails.
  await page?.locator('#held').waitFor({ state: 'hidden' })
  const stop = demo.stop()
  stopped.resolve()
  await stop
  await system.stop()
  return { cut, moments, fired, said, told }
}

const toldOfAlert = (line: string) => line.startsWith('signed alert received: ')
const toldOfMaya = (line: string) => line.startsWith(`signed alert received: ${maya}`)

function mayaFiredMs({ fired }: Run): number {
  return fired.find(one => one.user === maya && one.rule === 'high-value-quiet')!.clockMs
}

test('without a cut she is told of when she is due', { skip, timeout: 240_000 }, async t => {
  const all = await run(t, 'none')
  const firedMs = mayaFiredMs(all)
  assert.ok(firedMs >= mayaDueMs && firedMs <= mayaDueMs + hourMs, new Date(firedMs).toISOString())
  assert.deepEqual([...new Set(all.moments.map(moment => moment.held))], [''])
  assert.equal(all.told.filter(toldOfMaya).length, 1)
})

for (const [kind, held, sentence] of [
  ['few', 'low intake', /Far fewer clicks than usual/],
  ['hole', 'hole', /No click could come in/],
] as const)
  test(`a cut (${kind}): nobody is paged in it, and she afterwards`, {
    skip,
    timeout: 240_000,
  }, async t => {
    const all = await run(t, kind)
    const { cut, moments, fired, said, told } = all
    assert.ok(cut && mayaDueMs > cut.fromMs + hourMs && mayaDueMs < cut.untilMs)
    const waiting = moments.filter(moment => moment.held !== '')
    const [first, last] = [waiting[0]!, waiting.at(-1)!]
    assert.equal(first.held, held)
    const goneOnMs = moments.find(
      moment => moment.clockMs > last.clockMs && moment.held === '',
    )!.clockMs
    assert.ok(last.clockMs >= cut.untilMs, 'it waits until clicks are back')
    const inIt = ({ clockMs }: Fired) => clockMs >= first.clockMs && clockMs <= last.clockMs
    assert.deepEqual(fired.filter(inIt), [], 'nobody, not she alone')
    const firedBefore = fired.filter(({ clockMs }) => clockMs < first.clockMs)
    assert.equal(last.alertsTold, firedBefore.length, 'nothing was told meanwhile')
    const firedMs = mayaFiredMs(all)
    assert.ok(firedMs >= last.clockMs && firedMs <= goneOnMs)
    assert.match(said, sentence)
    assert.equal(told.filter(toldOfMaya).length, 1)
  })
