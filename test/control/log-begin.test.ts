/** Tables that are lost, and a log whose first records are gone: nothing is passed over until an operator says so. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { ebb, startUp } from './ebb.ts'

test('ebb up says how many are gone, and goes on behind ebb log begin', async t => {
  const cwd = mkdtempSync(join(tmpdir(), 'ebb-begin-'))
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  const begin = () => startUp(cwd, '--no-demo', '--partitions', '1')
  const up = await begin()
  for (const id of ['one', 'two', 'three']) {
    const answer = await fetch(`${up.collector}/v1/track`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'track', event: 'page', userId: 'u', messageId: id }),
    })
    assert.equal(answer.status, 200)
  }
  assert.equal(await up.stop('SIGINT'), 0, up.output())

  rmSync(join(cwd, 'data', 'clickhouse'), { recursive: true })
  const yearMs = 365 * 86_400_000
  const clock = () => Date.now() + yearMs
  const log = await openEmbeddedLog({ directory: join(cwd, 'data', 'log'), clock })
  const settings = { partitions: 1, retentionMs: 1, retentionBytes: Number.POSITIVE_INFINITY }
  await log.ensure('clicks', settings)
  await log.retain()
  const { startOffset } = await log.bounds('clicks', 0)
  await log.close()
  assert.ok(startOffset > 0)

  await assert.rejects(
    begin(),
    new RegExp(`The first ${startOffset} records of clicks partition 0 are gone`),
  )
  const accepted = await ebb(['log', 'begin'], cwd)
  assert.equal(accepted.status, 0, accepted.stderr)
  assert.match(accepted.stderr, new RegExp(`partition 0 begins at ${startOffset}`))
  const again = await begin()
  assert.equal(await again.stop('SIGINT'), 0, again.output())
})
