/** `ebb up` on a log that is not the one its tables come from: it does not start, for clicks would never be folded. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startUp } from './ebb.ts'

test('a log that is gone is not begun anew, and another one is refused', async t => {
  const [cwd, other] = [
    mkdtempSync(join(tmpdir(), 'ebb-log-')),
    mkdtempSync(join(tmpdir(), 'ebb-log-')),
  ]
  t.after(() => {
    for (const directory of [cwd, other]) rmSync(directory, { recursive: true, force: true })
  })
  const up = await startUp(cwd, '--no-demo')
  const batch = Array.from({ length: 100 }, (_, at) => ({
    ...{ type: 'track', event: 'page', userId: `u${at}`, messageId: `m${at}` },
  }))
  const answer = await fetch(`${up.collector}/v1/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ batch }),
  })
  assert.equal(answer.status, 200)
  assert.equal(await up.stop('SIGINT'), 0, up.output())

  const log = join(cwd, 'data', 'log')
  rmSync(log, { recursive: true })
  await assert.rejects(startUp(cwd, '--no-demo'), /There is no topic .* is not made anew/s)

  const empty = await startUp(other, '--no-demo')
  assert.equal(await empty.stop('SIGINT'), 0, empty.output())
  rmSync(log, { recursive: true, force: true })
  cpSync(join(other, 'data', 'log'), log, { recursive: true })
  await assert.rejects(
    startUp(cwd, '--no-demo'),
    /records of .* are gone that were folded|holds another record/,
  )
})
