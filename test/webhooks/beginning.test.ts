/** Where webhooks begin that have never stored how far they came. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryLog } from '../../services/log/memory.ts'
import { addEndpoint } from '../../services/webhooks/endpoints.ts'
import {
  alert,
  answerWith,
  append,
  logged,
  newDirectory,
  openData,
  partitions,
  removeDirectory,
  start,
  startHook,
  testClockMs,
  topic,
} from './fixture.ts'

test('the first alerts are gone from the log: what is there is sent, and the others are told of', async t => {
  const directory = newDirectory()
  const data = await openData(directory)
  t.after(async () => {
    await data.close()
    removeDirectory(directory)
  })
  let clockMs = 0
  const log = openMemoryLog({ clock: () => clockMs })
  await log.ensure(topic, { partitions, retentionMs: 1000, retentionBytes: Infinity })
  const [gone, kept] = [alert('one'), alert('one', { messageId: 'm-kept' })]
  await append(log, gone)
  clockMs += 10_000
  await append(log, kept)
  await log.retain()
  const hook = await startHook(answerWith(204))
  t.after(hook.stop)
  await addEndpoint(data.store, data.key, hook.url, testClockMs)
  const webhooks = await start({ ...data, log })
  await hook.saw('m-kept')
  await webhooks.stop()
  assert.equal(hook.hits.length, 1)
  const warned = logged.filter(({ level, text }) => level === 'warn' && /are gone/.test(text))
  assert.deepEqual(
    warned.map(({ fields }) => (fields as { gone: number }).gone),
    [1],
  )
})
