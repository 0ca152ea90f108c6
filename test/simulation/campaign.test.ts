/** A campaign outlives the processes that run its seeds. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { campaign } from './campaign.ts'
import { readEntries } from './tally.ts'

const seeds = { first: 1, last: 3 }

/** The first `deaths` processes that are started from here on die at once. */
function killFirst(t: TestContext, deaths: number): void {
  let started = 0
  const kill = (message: unknown) => {
    if (++started > deaths) return
    const { process: child } = message as { process: ChildProcess }
    // It has no number before: a signal then would go to this process and its like.
    child.once('spawn', () => child.kill('SIGKILL'))
  }
  subscribe('child_process', kill)
  t.after(() => unsubscribe('child_process', kill))
}

async function runCampaign(t: TestContext, workers = 1) {
  const folder = mkdtempSync(join(tmpdir(), 'ebb-campaign-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const stateFile = join(folder, 'account.jsonl')
  const told: string[] = []
  const tell = (line: string) => void told.push(line)
  const result = await campaign({ ...seeds, withCrashes: false, workers, stateFile, tell })
  const aborted = readEntries(stateFile).filter(entry => entry.aborted)
  return { result, told, aborted: aborted.map(({ seed }) => seed) }
}

test('a seed whose process ended is run again by another one', async t => {
  killFirst(t, 1)
  const { result, told, aborted } = await runCampaign(t)
  assert.deepEqual(result, { runs: 3, violations: 0, failed: [] })
  assert.deepEqual(aborted, [])
  assert.match(told.join('\n'), /The process that ran seed 1 ended; another one runs it again/)
})

test('a seed on which two processes ended has failed, and the others are run', async t => {
  killFirst(t, 2)
  const { result, told, aborted } = await runCampaign(t)
  assert.deepEqual(result, { runs: 3, violations: 1, failed: [1] })
  assert.deepEqual(aborted, [1])
  assert.match(told.join('\n'), /seed 1 again ended too; the seed counts as failed/)
})

test('seeds that nobody ran have failed', async t => {
  const { result } = await runCampaign(t, 0)
  assert.deepEqual(result, { runs: 0, violations: 3, failed: [1, 2, 3] })
})
