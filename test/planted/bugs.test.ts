import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bugs } from './bugs.ts'
import { copyOf, nonsenseIn } from './copy.ts'

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

test('what is planted is code: it can be parsed, and every name in it is there', t => {
  const copy = copyOf(fileURLToPath(root))
  t.after(() => copy.remove())
  const nobody = { ...bugs[0]!, name: 'nobody', behind: 'nowhere()\n' }
  const found = nonsenseIn(copy, [...bugs, nobody])
  assert.equal(found.length, 1, found.join('\n'))
  assert.match(found[0]!, /^nobody: .*'nowhere'/)
})

test('the tests that are to find them are there, and no two bugs have one name', () => {
  for (const { test } of bugs)
    assert.ok(test === undefined || existsSync(new URL(test, root)), test)
  assert.equal(new Set(bugs.map(({ name }) => name)).size, bugs.length)
})
