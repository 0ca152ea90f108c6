/** Rounds of flushes: who begins when, and who waits for whom. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextTurn } from '../../services/base/time.ts'
import { createRounds, type RoundPlace } from '../../services/processor/rounds.ts'

/** Members a, b, ... whose flushes last until `end`; `look` looks at a clock that is set. */
function roundsOf(members: string[]) {
  const log: string[] = []
  const under = new Map<string, { place: RoundPlace; over: PromiseWithResolvers<void> }>()
  const due = new Set(members)
  let nowMs = 0
  const rounds = createRounds<string>({
    steadyClock: () => nowMs,
    isDue: member => due.has(member),
    flush(member, place) {
      log.push(member)
      const over = Promise.withResolvers<void>()
      under.set(member, { place, over })
      return over.promise
    },
  })
  return {
    log,
    due,
    /** All flushes that began since the last look. */
    look(atMs: number): string {
      nowMs = atMs
      rounds.look(members)
      return log.splice(0).join('')
    },
    meet: (member: string) => under.get(member)!.place.meet(),
    async end(member: string, atMs: number) {
      nowMs = atMs
      under.get(member)!.over.resolve()
      await nextTurn()
    },
  }
}

test('all that are due begin together, the next round 0.8 s later at the earliest', async () => {
  const { due, look, end } = roundsOf(['a', 'b', 'c'])
  due.delete('b')
  assert.equal(look(0), 'ac')
  await end('a', 50)
  await end('c', 90)
  due.add('b')
  assert.equal(look(799), '')
  assert.equal(look(800), 'abc')
})

test('who has something when nobody had for long does not wait', () => {
  const { due, look } = roundsOf(['a'])
  due.clear()
  assert.equal(look(0), '')
  due.add('a')
  assert.equal(look(100), 'a')
})

test('no round begins beside one that lasts, and some time to fold follows it', async () => {
  const { look, end } = roundsOf(['a', 'b'])
  assert.equal(look(0), 'ab')
  await end('a', 300)
  assert.equal(look(2_000), '')
  await end('b', 2_000)
  assert.equal(look(2_199), '')
  assert.equal(look(2_200), 'ab')
})

test('who does not come to an end holds the others up for seconds, not for ever', async () => {
  const { look, end } = roundsOf(['a', 'b'])
  assert.equal(look(0), 'ab')
  await end('b', 300)
  assert.equal(look(4_999), '')
  assert.equal(look(5_000), 'b')
})

test('they meet when all have come or ended, and wait no longer than a second', async () => {
  const { look, meet, end } = roundsOf(['a', 'b', 'c'])
  look(0)
  const met: string[] = []
  const meeting = (member: string) => meet(member).then(() => met.push(member))
  const first = meeting('a')
  const second = meeting('b')
  await nextTurn()
  assert.deepEqual(met, [])
  await end('c', 100)
  assert.deepEqual(met, ['a', 'b'])
  await Promise.all([first, second])
  await end('a', 200)
  await end('b', 200)
  look(1_000)
  await meet('a') // The others never come: it goes on after a second.
})
