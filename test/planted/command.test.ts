/** `npm run planted` as it is called. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const path = new URL('run.ts', import.meta.url).pathname

test('bugs that are not there are refused: none of them is found', () => {
  const args = [path, '--only', 'nosuch']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /--only nosuch: no bug has this in its name/)
})
