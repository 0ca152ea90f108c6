import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Entry, openSorter } from '../../services/collector/import/sorter.ts'
import { folder } from './fixture.ts'

const text = fc.string({ unit: 'binary' }).map(value => JSON.stringify(value))
const key = fc.oneof(fc.nat(5), fc.nat(4_000_000_000_000))
const entries = fc.array(fc.record({ key, text }), { maxLength: 200 })

test('whatever fits into memory, the order is that of one sort', context => {
  const directory = folder(context)
  let run = 0
  const property = fc.property(entries, fc.integer({ min: 1, max: 5000 }), (rows, memoryBytes) => {
    const all = rows.map((row, line): Entry => ({ ...row, file: line % 3, line }))
    const sorter = openSorter(`${directory}/${run++}`, memoryBytes)
    for (const entry of all) sorter.add(entry)
    const expected = all.toSorted(
      (a, b) => Number(a.key) - Number(b.key) || a.file - b.file || a.line - b.line,
    )
    assert.deepEqual([...sorter.sorted()], expected)
    assert.deepEqual([...sorter.sorted()], expected, 'it can be gone through again')
  })
  fc.assert(property, { numRuns: 60 })
})

test('texts are sorted as well, and equal ones keep the order of files and lines', context => {
  const sorter = openSorter(folder(context), 1)
  for (const [line, order] of ['b', 'a', 'b', 'ä', 'a'].entries())
    sorter.add({ key: order, file: 0, line, text: '{}' })
  const found = [...sorter.sorted()].map(entry => `${entry.key}${entry.line}`)
  assert.deepEqual(found, ['a1', 'a4', 'b0', 'b2', 'ä3'])
})

test('few files are open, however many runs there are', context => {
  const directory = folder(context)
  const sorter = openSorter(directory, 1)
  for (let line = 0; line < 500; line++)
    sorter.add({ key: (line * 7919) % 500, file: 0, line, text: `${line}` })
  assert.ok(readdirSync(directory).length < 64)
  const keys = [...sorter.sorted()].map(entry => entry.key)
  assert.deepEqual(keys, [...Array(500).keys()])
})
