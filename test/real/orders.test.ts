/**
 * A shop's orders, imported and folded in stages: the figures of the definitions out of Ebb's tables, and who is
 * high-value at three dates. Then the same orders as a replay: the alerts.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Cutoffs, readCutoffs } from '../../services/control/cutoffs.ts'
import { askExample } from './examples.ts'
import { testFigures } from './figures.ts'
import { ordersFile, skip } from './files.ts'
import { appendStage, type Entry, importHistory } from './history.ts'
import { atRisk, cohortsOf, readOrders } from './plain.ts'
import { openProject, type Project } from './project.ts'
import { readRaw } from './raw.ts'
import { testSilences } from './silences.ts'
import { dates, rawCutoffs, rawTiers } from './tiers.ts'

/** What Ebb says at each of the dates, and at the last one whom it calls at risk. */
const found: { at: string; cutoffs: Cutoffs | undefined; high: string[] }[] = []
let risky: Record<string, unknown>[] = []
let project: Project
let history: Entry[] = []

/** Time itself, on a log that took an import. */
async function tickAt(timeMs: number): Promise<void> {
  project.nowMs = timeMs
  await project.broadcast({ kind: 'tick', atMs: timeMs, writer: 'test' })
  await project.fold()
}

const endMs = Date.UTC(2011, 11, 10)

before(async () => {
  if (skip) return
  project = await openProject({ log: 'embedded', partitions: 4 })
  await readRaw(project)
  history = await importHistory(project, ordersFile)
  let fromMs = 0
  for (const [revision, at] of dates.entries()) {
    const dateMs = Date.parse(at)
    await appendStage(project, history, fromMs, dateMs)
    await tickAt(dateMs)
    const cutoffs = await readCutoffs(project.store)
    await project.broadcast({ kind: 'cutoffs', revision: revision + 1, ...cutoffs! })
    await project.fold()
    const high = await project.store.query<{ user_id: string }>(
      "SELECT user_id FROM users_now WHERE tier = 'high'",
    )
    found.push({ at, cutoffs, high: high.map(row => row.user_id).sort() })
    fromMs = dateMs
  }
  risky = await askExample(project, 'Users at risk')
  await appendStage(project, history, fromMs, endMs)
  await tickAt(endMs)
})

after(() => project?.close())

test('the cutoffs at three dates are those of plain SQL over the rows of the file', {
  skip,
}, async () => {
  const expected = await rawCutoffs(project)
  assert.deepEqual(
    found.map(({ at, cutoffs }) => ({ at, ...cutoffs })),
    expected.map(({ at, high, keep }) => ({ at, high: Number(high), keep: Number(keep) })),
  )
})

test('who is high-value at three dates is who plain SQL says', { skip }, async t => {
  const expected = await rawTiers(project)
  for (const { at, high } of found) {
    assert.deepEqual(high, expected.get(at))
    t.diagnostic(`${at}: ${high.length} high-value users`)
  }
})

test('the examples of docs: users at risk, and retention by cohort', { skip }, async t => {
  const orders = await readOrders(project)
  const { at, high } = found.at(-1)!
  const expected = atRisk(orders, new Set(high), Date.parse(at))
  t.diagnostic(`${expected.length} users at risk on ${at}`)
  assert.deepEqual(risky, expected.slice(0, 100))
  assert.deepEqual(await askExample(project, 'Retention by cohort'), cohortsOf(orders, endMs))
})
testFigures(() => project)
testSilences(
  () => history,
  () => project,
)
