/** The socket between commands and a running Ebb, where one side is not what the other hopes for. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openCaller, serveCalls } from '../../services/control/wire.ts'

const calls = { double: async (count: number) => 2 * count }

async function serve(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-wire-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'sock')
  return { path, close: await serveCalls(path, calls) }
}

test('a line that is no request ends its own connection and no other', async t => {
  const { path, close } = await serve(t)
  const stranger = connect(path)
  stranger.write('GET / HTTP/1.1\r\n\r\n')
  await once(stranger, 'close')
  const caller = openCaller<typeof calls>(path)
  assert.equal(await caller.calls.double(2), 4)
  caller.close()
  await close()
})

test('a call to an Ebb that went away between two calls fails at once', async t => {
  const { path, close } = await serve(t)
  const caller = openCaller<typeof calls>(path)
  assert.equal(await caller.calls.double(1), 2)
  await close()
  await assert.rejects(caller.calls.double(2), /gone away/)
  await assert.rejects(caller.calls.double(3), /gone away/)
})
