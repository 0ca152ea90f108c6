/** An erased user and the tables: nothing of before stays, and what comes afterwards starts afresh. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { wallClock } from '../../services/base/time.ts'
import { openSystem } from '../../services/control/system.ts'
import { encodeRecord } from '../../services/log/codec.ts'

function click(messageId: string) {
  const timestamp = wallClock()
  const json = { userId: 'u', event: 'x', messageId, timestamp, receivedAt: timestamp }
  return { key: 'u', value: Buffer.from(JSON.stringify(json)) }
}

test('a click right behind an erasure is kept, one right before it is not', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-erase-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const open = () =>
    openSystem({
      directory,
      project: 'default',
      partitions: 1,
      clock: wallClock,
      settings: {},
      logger: pino({ level: 'silent' }),
      retentionMs: 86_400_000,
      delivers: false,
    })
  const system = await open()
  const erase = { key: 'u', value: encodeRecord({ kind: 'erase', userId: 'u' }) }
  await system.log.append('clicks', 0, [click('before'), erase, click('after')])
  await system.caughtUp()
  const ids = await system.store.query('SELECT event_id, verdict FROM clicks FINAL')
  assert.deepEqual(ids, [{ event_id: 'after', verdict: 'accepted' }])
  await system.stop()
  const again = await open()
  const [users] = await again.store.query('SELECT user_id FROM users FINAL')
  assert.deepEqual(users, { user_id: 'u' })
  await again.stop()
})
