/** What a process sees of a leader that moves at its append, and what is on the log then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { keepAll, texts } from '../log/fixture.ts'
import { type Move, planMove } from './kafka/leaders.ts'
import { openLoneLife } from './lone-life.ts'

const topic = 'moved'
const byMs = -7_000
const shortMs = 1_000
/** More than an append is tried again for. */
const longMs = 18_000

const hows = ['steps down', 'dies'] as const
const moments = ['before', 'behind'] as const

/** Appends a, b and c one after the other; the leader moves at b. */
async function appendThree(move: Omit<Move, 'byMs'>) {
  const { log, topics, scheduler, release } = await openLoneLife(true)
  try {
    await log.ensure(topic, { ...keepAll, partitions: 1 })
    const answers: unknown[] = []
    for (const text of ['a', 'b', 'c']) {
      const { leadership } = topics.at(topic, 0)
      if (text === 'b') planMove(scheduler, leadership, { ...move, byMs })
      answers.push(await log.append(topic, 0, texts(text)).catch(error => error))
    }
    const { records, leadership } = topics.at(topic, 0)
    return { answers, records, leadership, stands: records.map(({ value }) => String(value)) }
  } finally {
    await release()
  }
}

for (const how of hows)
  for (const moment of moments) {
    test(`a leader ${how} right ${moment} an append: the next one has it, once`, async () => {
      const { answers, records, leadership, stands } = await appendThree({
        how,
        moment,
        forMs: shortMs,
      })
      assert.deepEqual(
        [answers, stands],
        [
          [0, 1, 2],
          ['a', 'b', 'c'],
        ],
      )
      assert.deepEqual([leadership.leader, leadership.skewMs], [1, byMs])
      assert.ok(records[2]!.appendMs < records[0]!.appendMs, 'the new leader has its own clock')
    })

    test(`a leader ${how} right ${moment} an append, and none comes: it is given up`, async () => {
      const { answers, stands } = await appendThree({ how, moment, forMs: longMs })
      const [first, error] = answers
      assert.equal(first, 0)
      assert.ok(error instanceof EbbError && error.code === 'logUnreachable', String(error))
      // What was given up may be there; what was never sent again is not.
      assert.deepEqual(stands, moment === 'before' ? ['a', 'c'] : ['a', 'b', 'c'])
      assert.equal(answers[2], stands.length - 1)
    })
  }
