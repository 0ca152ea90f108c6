import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { exception, storeError } from '../../services/store/failure.ts'
import { joinedRowsMax, joinInserts } from '../../services/store/joined.ts'

/** A table's inserts as they reach the engine; what it says to each is `answer`. */
function engine(answer: (rows: readonly object[]) => void = () => {}) {
  const inserts: { table: string; rows: readonly object[] }[] = []
  const insert = joinInserts(async (table, rows) => {
    inserts.push({ table, rows })
    answer(rows)
  })
  return { inserts, insert }
}

const rejected = new EbbError('storeRejected', 'One of the rows is no row.')

test('what is inserted at once goes as one, by table, in order', async () => {
  const { inserts, insert } = engine()
  await Promise.all([
    insert('clicks', [{ id: 1 }, { id: 2 }]),
    insert('sessions', [{ id: 3 }]),
    insert('clicks', [{ id: 4 }]),
  ])
  assert.deepEqual(inserts, [
    { table: 'clicks', rows: [{ id: 1 }, { id: 2 }, { id: 4 }] },
    { table: 'sessions', rows: [{ id: 3 }] },
  ])
})

test('what comes behind one that was sent goes in another', async () => {
  const { inserts, insert } = engine()
  await insert('clicks', [{ id: 1 }])
  await insert('clicks', [{ id: 2 }])
  assert.equal(inserts.length, 2)
})

test('together they have a bound', async () => {
  const { inserts, insert } = engine()
  const many = Array.from({ length: joinedRowsMax }, () => ({}))
  await Promise.all([insert('clicks', many), insert('clicks', [{ id: 1 }, { id: 2 }])])
  assert.deepEqual(
    inserts.map(({ rows }) => rows.length),
    [joinedRowsMax, 2],
  )
})

test('a failure that passes is everybody’s, and nothing is sent twice', async () => {
  const refused = new EbbError('storeRefused', 'Too many parts.')
  const { inserts, insert } = engine(() => {
    throw refused
  })
  const outcomes = await Promise.allSettled([insert('clicks', [{}]), insert('clicks', [{}])])
  assert.deepEqual(
    outcomes.map(outcome => outcome.status === 'rejected' && outcome.reason),
    [refused, refused],
  )
  assert.equal(inserts.length, 1)
})

test('rows that are refused for good stop nobody else’s', async () => {
  const bad = { id: 2 }
  const { insert } = engine(rows => {
    if (rows.includes(bad)) throw rejected
  })
  const outcomes = await Promise.allSettled([
    insert('clicks', [{ id: 1 }]),
    insert('clicks', [bad]),
    insert('clicks', [{ id: 3 }]),
  ])
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

test('what is too much together goes apart', async () => {
  const { inserts, insert } = engine(rows => {
    if (rows.length < 3) return
    const words = 'Memory limit (for query) exceeded: would use 1.10 GiB.'
    throw storeError(exception(241, 'MEMORY_LIMIT_EXCEEDED', words), 'rows of clicks')
  })
  await Promise.all([insert('clicks', [{}, {}]), insert('clicks', [{}])])
  assert.deepEqual(
    inserts.map(({ rows }) => rows.length),
    [3, 2, 1],
  )
})

test('who has too much alone hears of it once', async () => {
  const tooMuch = storeError(exception(241, 'MEMORY_LIMIT_EXCEEDED', 'Memory limit.'), 'rows')
  const { inserts, insert } = engine(() => {
    throw tooMuch
  })
  await assert.rejects(insert('clicks', [{}]), error => error === tooMuch)
  assert.equal(inserts.length, 1)
})
