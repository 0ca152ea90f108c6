import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLanes } from '../../services/webhooks/lanes.ts'

/** Jobs are `lane:number`; they run until finished by name. */
function lanesOfJobs(totalMax: number, laneMax: number) {
  const begun: string[] = []
  const running = new Map<string, PromiseWithResolvers<void>>()
  const lanes = createLanes<string>({
    totalMax,
    laneMax,
    run(job) {
      begun.push(job)
      running.set(job, Promise.withResolvers())
      return running.get(job)!.promise
    },
  })
  const push = (...jobs: string[]) => {
    for (const job of jobs) lanes.push(job[0]!, job)
  }
  const finish = async (job: string) => {
    running.get(job)!.resolve()
    running.delete(job)
    await new Promise(setImmediate)
  }
  return { lanes, begun, running, push, finish }
}

test('a lane runs no more than its share, in order; another lane goes on', async () => {
  const { begun, push, finish } = lanesOfJobs(10, 2)
  push('a1', 'a2', 'a3', 'a4', 'b1')
  assert.deepEqual(begun, ['a1', 'a2', 'b1'])
  await finish('a2')
  assert.deepEqual(begun, ['a1', 'a2', 'b1', 'a3'])
})

test('all lanes together keep to the total and take turns', async () => {
  const { begun, running, push, finish } = lanesOfJobs(2, 2)
  push('a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1')
  await finish('a1')
  await finish('a2')
  await finish(begun[2]!)
  assert.deepEqual(begun, ['a1', 'a2', 'a3', 'b1', 'c1'])
  assert.equal(running.size, 2)
})

test('what was dropped does not run', async () => {
  const { lanes, begun, push, finish } = lanesOfJobs(1, 1)
  push('a1', 'a2', 'a3')
  lanes.drop('a', 'a2')
  await finish('a1')
  assert.deepEqual(begun, ['a1', 'a3'])
})

test('after stop nothing begins, and it waits for what runs', async () => {
  const { lanes, begun, push, finish } = lanesOfJobs(1, 1)
  push('a1', 'a2')
  let stopped = false
  const stopping = lanes.stop().then(() => {
    stopped = true
  })
  await new Promise(setImmediate)
  assert.equal(stopped, false)
  await finish('a1')
  await stopping
  push('b1')
  assert.deepEqual(begun, ['a1'])
})
