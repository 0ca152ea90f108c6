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
  readonly held: string
}

interface Run {
  readonly cut: Cut | undefined
  readonly moments: readonly Moment[]
  readonly firedMs: number
  /** What the page said while alerts waited, and whether it still said it in the end. */
  readonly page: { readonly said: string; readonly saysStill: boolean } | undefined
  readonly told: readonly string[]
}

async function heldNow(store: System['store']): Promise<string> {
  const rows = await store.query<{ held: string }>(
    "SELECT held FROM progress FINAL WHERE topic = 'clicks'",
  )
  return rows.map(row => row.held).find(held => held !== '') ?? ''
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
    if (clock.now() > plan.storyMs + 2 * hourMs) moments.push({ clockMs: system.clockMs()!, held })
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
  const [fired] = await system.store.query<{ clock: string }>(
    `SELECT toUnixTimestamp64Milli(clock) AS clock FROM alerts FINAL
     WHERE user_id = {maya:String} AND status = 'fired' AND rule_id = 'high-value-quiet'
     ORDER BY clock LIMIT 1`,
    { maya },
  )
  await page?.locator('#held').waitFor({ state: 'hidden' })
  const saysStill = (await page?.locator('#held').isVisible()) ?? false
  const stop = demo.stop()
  stopped.resolve()
  await stop
  await system.stop()
  return { cut, moments, firedMs: Number(fired?.clock), page: page && { said, saysStill }, told }
}

const toldOfMaya = (line: string) => line.startsWith(`signed alert received: ${maya}`)

test('without a cut she is told of when she is due', { skip, timeout: 240_000 }, async t => {
  const { moments, firedMs, told } = await run(t, 'none')
  assert.ok(firedMs >= mayaDueMs && firedMs <= mayaDueMs + hourMs, new Date(firedMs).toISOString())
  assert.deepEqual([...new Set(moments.map(({ held }) => held))], [''])
  assert.equal(told.filter(toldOfMaya).length, 1)
})

for (const [kind, held, sentence] of [
  ['few', 'low intake', /Far fewer clicks than usual/],
  ['hole', 'hole', /No click could come in/],
] as const)
  test(`a cut (${kind}): nobody is paged in it, and she afterwards`, {
    skip,
    timeout: 240_000,
  }, async t => {
    const { cut, moments, firedMs, page, told } = await run(t, kind)
    assert.ok(cut && mayaDueMs > cut.fromMs + hourMs && mayaDueMs < cut.untilMs)
    const waiting = moments.filter(moment => moment.held !== '')
    assert.equal(waiting[0]?.held, held)
    const goneOnMs = moments.find(
      ({ clockMs, held: reason }) => clockMs > waiting.at(-1)!.clockMs && reason === '',
    )!.clockMs
    assert.ok(waiting.at(-1)!.clockMs >= cut.untilMs, 'it waits until clicks are back')
    assert.ok(firedMs >= waiting.at(-1)!.clockMs && firedMs <= goneOnMs)
    assert.match(page!.said, sentence)
    assert.equal(page!.saysStill, false)
    assert.equal(told.filter(toldOfMaya).length, 1)
  })
