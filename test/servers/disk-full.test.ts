/**
 * The disk under Ebb itself is full (fault 12): under the log and the tables of `ebb up`. Clicks are refused and not
 * confirmed, nothing dies, and it goes on by itself when there is room: what was confirmed stands in the tables once.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { startUp } from '../control/ebb.ts'
import { until } from './scene.ts'
import { smallDisk } from './small-disk.ts'

const timeoutMs = 300_000
const diskMiB = 300
const batchClicks = 50
/** So many requests are refused before there is room again. */
const refusals = 20
const pauseMs = 50
const answerMsMax = 20_000

const disk = smallDisk(diskMiB)
after(() => disk?.remove())

test('the disk under `ebb up` is full: clicks are refused, nothing dies, and it goes on when there is room', {
  skip: disk === undefined && 'Mounting a small disk needs root.',
  timeout: timeoutMs,
}, async t => {
  const { directory, fill, clear } = disk!
  const up = await startUp(directory, '--data', join(directory, 'data'), '--no-demo')
  t.after(() => up.child.kill('SIGKILL'))
  const confirmed: string[] = []
  let sent = 0

  /** The status of one request with new clicks. */
  async function send(): Promise<number> {
    const ids = Array.from({ length: batchClicks }, () => `c${sent++}`)
    const response = await fetch(`${up.collector}/v1/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        batch: ids.map(id => ({ type: 'track', userId: `user ${id}`, event: 'x', messageId: id })),
      }),
      signal: AbortSignal.timeout(answerMsMax),
    })
    await response.text()
    if (response.status === 200) confirmed.push(...ids)
    return response.status
  }

  async function rowsOf(query: string): Promise<string[]> {
    const response = await fetch(`${up.sql}/?query=${encodeURIComponent(query)}`)
    return response.ok ? (await response.text()).trim().split('\n') : []
  }

  assert.equal(await send(), 200)
  fill(0)
  await until(async () => (await send()) !== 200)
  for (let refused = 0; refused < refusals; ) {
    const status = await send()
    assert.ok(status === 200 || status === 503, `answered ${status}`)
    if (status === 503) refused++
    assert.equal(up.child.exitCode, null, up.output())
    await wait(pauseMs)
  }
  clear()
  await until(async () => (await send()) === 200)
  await until(async () => {
    assert.equal(up.child.exitCode, null, up.output())
    const rows = await rowsOf('SELECT event_id FROM clicks FINAL')
    const found = new Set(rows)
    assert.equal(found.size, rows.length, 'each stands there once')
    return confirmed.every(id => found.has(id))
  })
  assert.equal(await up.stop('SIGINT'), 0, up.output())
})
