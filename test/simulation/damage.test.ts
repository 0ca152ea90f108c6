/** A log that is not the one that was folded, or lacks what was not: told with its place, and never passed over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { clicksTopic, type Damage, planOf } from './plan.ts'
import { simulate } from './world.ts'

const cases: [damage: Damage, code: string, sentence: RegExp][] = [
  ['expired', 'offsetGone', /^3 records of ebb.clicks partition 0 are gone that were never folded/],
  // Collectors may have gone on: then other records stand in the place of the lost ones.
  ['cut', 'topicMismatch', /ebb.clicks partition 0 (are gone|holds another record)/],
  ['replaced', 'topicMismatch', /ebb.clicks partition 0 holds another record/],
  ['recreated', 'topicMismatch', /ebb.clicks partition 0 holds another record/],
]

for (const [damage, code, sentence] of cases)
  for (const seed of [3, 4, 6])
    test(`a log that is ${damage} is told, and not passed over: seed ${seed}`, async () => {
      const plan = { ...planOf(seed, { damage }), faults: [], deaths: [] }
      const { evidence } = await simulate(plan)
      const { failures, inserts } = evidence
      assert.ok(failures.length > 0, 'the processor says that it stands still')
      for (const { partition, error } of failures) {
        assert.equal(partition, 0, 'the other partitions go on')
        assert.ok(error instanceof EbbError)
        assert.equal(error.code, code)
        assert.match(error.message, sentence)
      }
      const [first] = failures
      const reached = inserts.flatMap(({ table, rows, atMs }) =>
        table === 'progress' && atMs > first!.atMs
          ? rows.filter(row => row.topic === clicksTopic).map(row => row.partition)
          : [],
      )
      assert.ok(!reached.includes(0), 'progress of the damaged partition stands')
      if (plan.partitions > 1) assert.ok(reached.includes(1), 'progress of another one does not')
    })
