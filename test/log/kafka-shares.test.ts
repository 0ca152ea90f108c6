import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeClaim, readClaim } from '../../services/log/kafka/claims.ts'
import { type Claim, shareOut } from '../../services/log/kafka/shares.ts'

function claim(memberId: string, held: readonly number[], generation = 1): Claim {
  return { memberId, generation, held }
}

function shares(partitions: number, ...claims: readonly Claim[]): Record<string, number[]> {
  return Object.fromEntries(shareOut(claims, partitions))
}

test('one member has all', () => {
  assert.deepEqual(shares(4, claim('a', [])), { a: [0, 1, 2, 3] })
})

test('a newcomer gets only what is free; the holder goes without the rest first', () => {
  assert.deepEqual(shares(4, claim('a', [0, 1, 2, 3]), claim('b', [])), { a: [0, 1], b: [] })
  assert.deepEqual(shares(4, claim('a', [0, 1]), claim('b', [])), { a: [0, 1], b: [2, 3] })
})

test('who stays keeps what it has', () => {
  assert.deepEqual(shares(4, claim('b', [2, 3])), { b: [2, 3, 0, 1] })
  assert.deepEqual(shares(5, claim('a', [4, 1]), claim('b', [2, 3])), { a: [1, 4, 0], b: [2, 3] })
})

test('of unequal shares the larger one stays where it is', () => {
  assert.deepEqual(shares(3, claim('a', [2]), claim('b', [0, 1])), { a: [2], b: [0, 1] })
})

test('of two who say they hold a partition, the younger is right', () => {
  const zombie = claim('a', [0, 1], 3)
  assert.deepEqual(shares(2, zombie, claim('b', [0], 5)), { a: [1], b: [0] })
  assert.deepEqual(shares(2, claim('b', [0], 5), zombie), { a: [1], b: [0] })
})

test('more members than partitions: some have none', () => {
  assert.deepEqual(shares(1, claim('a', []), claim('b', [0]), claim('c', [])), {
    a: [],
    b: [0],
    c: [],
  })
})

test('a claim to what there is not is nothing', () => {
  assert.deepEqual(shares(2, claim('a', [7, -1])), { a: [0, 1] })
})

test('a claim comes back as it went; what a stranger says is a claim to nothing', () => {
  const said = claim('a', [0, 3], 7)
  assert.deepEqual(readClaim('a', encodeClaim('clicks', said)), said)
  const stranger = encodeClaim('clicks', { ...said, held: null as unknown as number[] })
  for (const bytes of [Buffer.alloc(0), Buffer.from('no claim at all'), stranger])
    assert.deepEqual(readClaim('b', bytes), claim('b', [], -1))
})

const group = fc.record({
  partitions: fc.integer({ min: 1, max: 16 }),
  claims: fc.uniqueArray(
    fc.record({
      memberId: fc.constantFrom(...'abcdefg'),
      generation: fc.nat(3),
      held: fc.uniqueArray(fc.nat(15)),
    }),
    { minLength: 1, selector: ({ memberId }) => memberId },
  ),
})

test('nobody gets what another holds, nothing twice, and shares differ by one at most', () => {
  fc.assert(
    fc.property(group, ({ partitions, claims }) => {
      const given = [...shareOut(claims, partitions)]
      const all = given.flatMap(([, share]) => share)
      assert.equal(new Set(all).size, all.length)
      for (const [memberId, share] of given) {
        assert.ok(share.length <= Math.ceil(partitions / claims.length))
        const own = claims.find(entry => entry.memberId === memberId)!
        for (const partition of share.filter(number => !own.held.includes(number)))
          assert.ok(!claims.some(({ held }) => held.includes(partition)))
      }
    }),
  )
})

test('after each has given back what it is to go without, all is shared out, and stays so', () => {
  fc.assert(
    fc.property(group, ({ partitions, claims }) => {
      const next = (round: readonly Claim[]) =>
        [...shareOut(round, partitions)].map(([memberId, held]) => claim(memberId, held, 9))
      const settled = next(next(claims))
      const all = settled.flatMap(({ held }) => held).sort((one, other) => one - other)
      assert.deepEqual(all, [...Array(partitions).keys()])
      assert.deepEqual(
        Object.fromEntries(next(settled).map(({ memberId, held }) => [memberId, [...held].sort()])),
        Object.fromEntries(settled.map(({ memberId, held }) => [memberId, [...held].sort()])),
      )
    }),
  )
})
