import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logSink } from '../../services/collector/import/append.ts'
import type { MappingOptions } from '../../services/collector/import/mapping.ts'
import type { ImportTarget } from '../../services/collector/import/target.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { file, importInto, nowMs, openProject } from './fixture.ts'

const batchRecords = 10
const dayMs = 86_400_000

/** Rows of many users, some at one time, some twins; every third with an id that others have too. */
function history(rows: number, firstMs = Date.parse('2024-01-01')): string {
  const lines = ['userId,timestamp,event,messageId']
  for (let row = 0; row < rows; row++) {
    const timeMs = firstMs + Math.floor((row * 7919) % rows) * 60_000
    const id = row % 3 === 0 ? `m-${row % 12}` : ''
    lines.push(`user-${row % 17},${new Date(timeMs - (timeMs % 300_000)).toISOString()},home,${id}`)
  }
  return lines.concat(lines.slice(-5)).join('\n')
}

/** The target, but every append from the one counted `at` on fails; that one takes effect before. */
function failing(target: ImportTarget, at: number, isApplied: boolean): ImportTarget {
  let count = 0
  return {
    ...target,
    async append(partition, records) {
      const mine = count++
      if (mine < at) return target.append(partition, records)
      if (mine === at && isApplied) await target.append(partition, records)
      throw new Error('killed')
    },
  }
}

function go(target: ImportTarget, path: string | readonly string[], options: MappingOptions = {}) {
  return importInto(target, path, options, { sink: logSink(target, batchRecords) })
}

test('killed at any append, applied or not, and started again: the log is that of one run', async t => {
  const path = file(t, 'a.csv', history(120))
  const whole = await openProject(t)
  const { summary } = await go(whole.target, path)
  const expected = await whole.contents()
  assert.equal(summary.written, 125)
  let kills = 0
  for (let at = 0; kills === at * 2; at++)
    for (const isApplied of [false, true]) {
      const project = await openProject(t)
      const killed = await go(failing(project.target, at, isApplied), path).catch(error => error)
      if (killed instanceof Error) kills++
      const { summary } = await go(project.target, path)
      assert.deepEqual(await project.contents(), expected, `append ${at}, applied: ${isApplied}`)
      assert.equal(summary.written + summary.alreadyThere, 125)
    }
  assert.ok(kills > 60, `${kills} kills`)
})

test('killed again and again', async t => {
  const path = file(t, 'a.csv', history(120))
  const whole = await openProject(t)
  await go(whole.target, path)
  const project = await openProject(t)
  for (let run = 0; run < 100; run++) {
    const done = await go(failing(project.target, 3, run % 2 === 0), path).catch(() => undefined)
    if (done) break
  }
  assert.deepEqual(await project.contents(), await whole.contents())
})

test('an import that is done appends nothing more', async t => {
  const path = file(t, 'a.csv', history(50))
  const { target, contents } = await openProject(t)
  await go(target, path)
  const before = await contents()
  const { summary } = await go({ ...target, clockMs: nowMs }, path)
  assert.equal(summary.written, 0)
  assert.equal(summary.alreadyThere, 55)
  assert.deepEqual(await contents(), before)
})

test('an import of rows that are all the same goes on where it stopped', async t => {
  const rows = Array(40).fill('anna,2024-01-01,home,one').join('\n')
  const path = file(t, 'a.csv', `userId,timestamp,event,messageId\n${rows}\n`)
  const project = await openProject(t, { partitions: 1 })
  await assert.rejects(go(failing(project.target, 2, true), path), /killed/)
  const { summary } = await go(project.target, path)
  assert.deepEqual([summary.written, summary.alreadyThere], [10, 30])
})

test('records that are no clicks may stand between', async t => {
  const path = file(t, 'a.csv', history(120))
  const project = await openProject(t, { partitions: 1 })
  const rule = { key: null, value: encodeRecord({ kind: 'rule', revision: 1, rule: '{}' }) }
  await assert.rejects(go(failing(project.target, 4, false), path), /killed/)
  await project.target.append(0, Array(3000).fill(rule))
  const { summary } = await go(project.target, path)
  assert.deepEqual([summary.alreadyThere, summary.written], [40, 85])
})

test('where retention has dropped the beginning, the end of what is there counts', async t => {
  const path = file(t, 'a.csv', history(120))
  const { target } = await openProject(t, { partitions: 1 })
  await assert.rejects(go(failing(target, 4, false), path), /killed/)
  const bounds = async () => ({ ...(await target.bounds(0)), startOffset: 25 })
  const { summary } = await go({ ...target, bounds }, path)
  assert.equal(summary.alreadyThere, 40)
})

test('a later import goes behind an earlier one', async t => {
  const { target } = await openProject(t)
  await go(target, file(t, 'a.csv', history(20)))
  const { summary } = await go(target, file(t, 'b.csv', history(20, Date.parse('2024-02-01'))))
  assert.equal(summary.written, 25)
})

test('an import that begins before the clock is refused', async t => {
  const path = file(t, 'a.csv', history(20))
  const { target } = await openProject(t)
  const later = { ...target, clockMs: Date.parse('2024-01-01') + 1 }
  await assert.rejects(go(later, path), {
    code: 'badInput',
    message: /before the clock of the project/,
  })
  await go({ ...target, clockMs: Date.parse('2024-01-01') }, path)
})

test('an import that begins before what is on the log is refused, though the clock was not told', async t => {
  const { target } = await openProject(t)
  await go(target, file(t, 'a.csv', history(20, Date.parse('2024-01-01') + dayMs)))
  const path = file(t, 'b.csv', history(20))
  await assert.rejects(go(target, path), /before the clock of the project/)
})

test('an import to a live project is refused before a file is read', async t => {
  const { target } = await openProject(t, { mode: 'live', clockMs: nowMs })
  await assert.rejects(go(target, '/none.csv'), { code: 'badInput', message: /is live/ })
})

test('going on with other options, or other files beside, is refused', async t => {
  const path = file(t, 'a.csv', history(120))
  const beside = file(t, 'b.csv', history(60))
  const { target, contents } = await openProject(t)
  await assert.rejects(go(failing(target, 8, false), path), /killed/)
  const before = await contents()
  for (const again of [
    () => go(target, path, { zone: 'Z', event: 'Other' }),
    () => go(target, [path, beside]),
  ])
    await assert.rejects(again(), { code: 'badInput', message: /give the same files and options/ })
  assert.deepEqual(await contents(), before)
})

test('going on behind the back of a later import is refused', async t => {
  const path = file(t, 'a.csv', history(120))
  const { target, contents } = await openProject(t)
  await assert.rejects(go(failing(target, 8, false), path), /killed/)
  // Its one user keeps to one partition; the others still end with what was interrupted.
  const later = new Date(Date.parse('2024-01-01') + dayMs).toISOString()
  await go(target, file(t, 'b.csv', `userId,timestamp,event\nuser-1,${later},home\n`))
  const before = await contents()
  await assert.rejects(go(target, path), /before the clock of the project/)
  assert.deepEqual(await contents(), before)
})
