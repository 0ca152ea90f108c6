import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { judge, outcomeOf, type Scenario } from './outcome.ts'
import type { Plan } from './plan.ts'

const script = new URL('run.ts', import.meta.url).pathname
const seedCount = 200

/** What has failed once, with what was wrong; as plans, since what a seed means changes with the simulator. */
const kept = JSON.parse(readFileSync(new URL('seeds.json', import.meta.url), 'utf8')) as {
  readonly why: string
  readonly plan: Plan
}[]

async function lastLineOf(...args: readonly string[]): Promise<string> {
  const node = ['--disable-warning=ExperimentalWarning', script, ...args]
  const { stdout } = await promisify(execFile)(process.execPath, node)
  return stdout.trim().split('\n').at(-1)!
}

test('one seed gives one trace, again and in another process', async () => {
  const once = await outcomeOf({ seed: 7 })
  const again = await outcomeOf({ seed: 7 })
  assert.equal(again.trace, once.trace)
  const { trace, checkpoints } = once
  assert.ok(checkpoints > 100, 'much has happened')
  assert.equal(JSON.parse(await lastLineOf('--seed', '7')).trace, trace)
})

test('other seeds and other crashes give other traces', async () => {
  const scenarios: Scenario[] = [{ seed: 7 }, { seed: 8 }, { seed: 7, crashes: [40] }]
  const outcomes = await Promise.all([outcomeOf(scenarios[0]!)])
  for (const scenario of scenarios.slice(1)) outcomes.push(await outcomeOf(scenario))
  assert.equal(new Set(outcomes.map(({ trace }) => trace)).size, scenarios.length)
})

test(`${seedCount} seeds break no promise`, async () => {
  const failed: string[] = []
  for (let seed = 1; seed <= seedCount; seed++) {
    const { violations } = await outcomeOf({ seed })
    if (violations.length > 0) failed.push(`seed ${seed}: ${violations[0]}`)
  }
  assert.deepEqual(failed, [])
})

for (const { why, plan } of kept)
  test(`seed ${plan.seed} once: ${why}`, async () => {
    assert.deepEqual((await judge(plan)).violations, [])
  })
