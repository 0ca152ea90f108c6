import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { test } from 'node:test'
import { bugs } from './bugs.ts'
import { planted } from './copy.ts'

const root = new URL('../../', import.meta.url)

test('what a planted bug changes stands in the source exactly once', () => {
  const other = bugs.filter(({ file, from }) => {
    return readFileSync(new URL(file, root), 'utf8').split(from).length !== 2
  })
  assert.deepEqual(
    other.map(({ name }) => name),
    [],
  )
})

test('what is planted can be parsed', () => {
  for (const bug of bugs) {
    const source = readFileSync(new URL(bug.file, root), 'utf8')
    assert.doesNotThrow(() => stripTypeScriptTypes(planted(source, bug)), bug.name)
  }
})

test('the tests that are to find them are there, and no two bugs have one name', () => {
  for (const { test } of bugs)
    assert.ok(test === undefined || existsSync(new URL(test, root)), test)
  assert.equal(new Set(bugs.map(({ name }) => name)).size, bugs.length)
})
