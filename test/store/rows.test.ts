import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  arraysOf,
  quoted,
  readMoney,
  readTime,
  rowMoney,
  rowTime,
} from '../../services/store/rows.ts'

test('money is written with four places', () => {
  const cases: [number, string][] = [
    [0, '0.0000'],
    [1, '0.0001'],
    [-15, '-0.0015'],
    [10_000, '1.0000'],
    [-125_000, '-12.5000'],
  ]
  cases.push([2 ** 53 - 1, '900719925474.0991'], [1 - 2 ** 53, '-900719925474.0991'])
  cases.push([2 ** 53, '900719925474.0991'], [-1e21, '-900719925474.0991'])
  for (const [minor, text] of cases) assert.equal(rowMoney(minor), text)
})

test('money is read with up to four places', () => {
  const cases: [string, number][] = [
    ['0', 0],
    ['-0', 0],
    ['12.5', 125_000],
    ['-0.0001', -1],
    ['-900719925474.0991', 1 - 2 ** 53],
  ]
  for (const [text, minor] of cases) assert.equal(readMoney(text), minor)
})

test('what is no money is refused', () => {
  for (const minor of [0.5, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => rowMoney(minor), RangeError)
  for (const text of ['', '1.00001', '1e3', '9999999999999999', 'x'])
    assert.throws(() => readMoney(text), RangeError)
})

test('a time is its number, from 1970 to 2100', () => {
  for (const ms of [0, 1, 4_102_444_800_000]) assert.equal(rowTime(ms), ms)
  for (const ms of [-1, 0.5, Number.NaN, 4_102_444_800_001])
    assert.throws(() => rowTime(ms), RangeError)
})

test('a time is read from the text of ClickHouse', () => {
  assert.equal(readTime('1970-01-01 00:00:00.007'), 7)
  assert.equal(readTime('2100-01-01 00:00:00.000'), 4_102_444_800_000)
})

test('a literal cannot be left', () => {
  assert.equal(quoted("a'b\\c\n"), "'a\\'b\\\\c\\n'")
})

test('rows with the same columns in the same order are arrays', () => {
  const rows = [
    { user_id: 'a', value: null, days: [1] },
    { user_id: 'b', value: 2, days: [] },
  ]
  const values = [
    ['a', null, [1]],
    ['b', 2, []],
  ]
  assert.deepEqual(arraysOf(rows), { columns: ['user_id', 'value', 'days'], values })
})

test('others are not: their values would come into other columns', () => {
  const row = { a: 1, b: 2 }
  for (const other of [{ b: 2, a: 1 }, { a: 1 }, { a: 1, b: 2, c: 3 }, { a: 1, c: 2 }, {}])
    for (const rows of [
      [row, other],
      [other, row],
    ])
      assert.equal(arraysOf(rows), undefined)
  assert.equal(arraysOf([row, { a: 1, b: undefined }]), undefined)
  assert.equal(arraysOf([]), undefined)
})
