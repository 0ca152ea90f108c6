import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstCohort, periodOf, triangleOf } from '../../services/web/triangle.ts'

const day = (date: string) => Date.parse(`${date}T00:00:00Z`) / 86_400_000

test('weeks begin on Monday, days where they are', () => {
  assert.equal(periodOf(day('2026-03-04'), 'week'), day('2026-03-02'))
  assert.equal(periodOf(day('2026-03-02'), 'week'), day('2026-03-02'))
  assert.equal(periodOf(day('2026-03-01'), 'week'), day('2026-02-23'))
  assert.equal(periodOf(day('2026-03-04'), 'day'), day('2026-03-04'))
  assert.equal(firstCohort(day('2026-03-04'), 'day'), day('2026-02-21'))
})

test('a running cell is marked and left out of the weighted mean', () => {
  const today = day('2026-03-04')
  const rows = [
    { cohort: today - 2, step: 0, users: 10 },
    { cohort: today - 2, step: 1, users: 5 },
    { cohort: today - 2, step: 2, users: 1 },
    { cohort: today - 1, step: 0, users: 30 },
    { cohort: today - 1, step: 1, users: 30 },
  ]
  const triangle = triangleOf(rows, today, 'day')
  assert.deepEqual(triangle.cohorts[0]!.cells, [
    { users: 5, share: 0.5, complete: true },
    { users: 1, share: 0.1, complete: false },
  ])
  assert.deepEqual(triangle.mean, [0.5, null])
})

test('the mean weighs by size, not by cohort', () => {
  const today = day('2026-03-04')
  const rows = [
    { cohort: today - 3, step: 0, users: 1 },
    { cohort: today - 3, step: 1, users: 1 },
    { cohort: today - 2, step: 0, users: 9 },
  ]
  assert.equal(triangleOf(rows, today, 'day').mean[0], 0.1)
})

test('a day on which nobody new came is an empty cohort, and before the first there is none', () => {
  const today = day('2026-03-04')
  const triangle = triangleOf([{ cohort: today - 2, step: 0, users: 4 }], today, 'day')
  assert.deepEqual(
    triangle.cohorts.map(cohort => cohort.size),
    [4, 0, 0],
  )
  assert.deepEqual(triangleOf([], today, 'day').cohorts, [])
})
