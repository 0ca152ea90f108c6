/** Tables that are lost, and a log whose first records are gone: nothing is passed over until an operator says so. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { ebb, startUp, type Up } from './ebb.ts'

function newDirectory(t: TestContext): string {
  const cwd = mkdtempSync(join(tmpdir(), 'ebb-begin-'))
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  return cwd
}

const begin = (cwd: string) => startUp(cwd, '--no-demo', '--partitions', '1')

async function stop(up: Up): Promise<void> {
  assert.equal(await up.stop('SIGINT'), 0, up.output())
}

/** Clicks of three users, acknowledged. */
async function click({ collector }: Up): Promise<void> {
  for (const id of ['one', 'two', 'three']) {
    const answer = await fetch(`${collector}/v1/track`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'track', event: 'page', userId: id, messageId: id }),
    })
    assert.equal(answer.status, 200)
  }
}

/** The tables, and the records of the first topic; resolves to how many these were. */
async function lose(cwd: string): Promise<number> {
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
  return startOffset
}

async function goesOnBehindTheLoss(cwd: string): Promise<void> {
  const lost = await lose(cwd)
  await assert.rejects(
    begin(cwd),
    new RegExp(`The first ${lost} records of clicks partition 0 are gone`),
  )
  const accepted = await ebb(['log', 'begin'], cwd)
  assert.equal(accepted.status, 0, accepted.stderr)
  assert.match(accepted.stderr, new RegExp(`clicks partition 0 begins at ${lost}`))
  await stop(await begin(cwd))
}

test('ebb up says how many are gone, and goes on behind ebb log begin', async t => {
  const cwd = newDirectory(t)
  const up = await begin(cwd)
  await click(up)
  await stop(up)
  await goesOnBehindTheLoss(cwd)
})

test('of a project that has grown: its first epoch is begun, and so is what goes on from it', async t => {
  const cwd = newDirectory(t)
  await stop(await begin(cwd))
  const grown = await ebb(['grow', '2'], cwd)
  assert.equal(grown.status, 0, grown.stderr)
  const up = await begin(cwd)
  await click(up)
  await stop(up)
  await goesOnBehindTheLoss(cwd)
  const user = await ebb(['user', 'one', '--json'], cwd)
  assert.equal(user.status, 0, user.stdout + user.stderr)
})
