/** An erased user and the tables: nothing of before stays, and what comes afterwards starts afresh. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { wallClock } from '../../services/base/time.ts'
import { openSystem, type System } from '../../services/control/system.ts'
import { decodeErasure, encodeRecord } from '../../services/log/codec.ts'

function click(messageId: string) {
  const timestamp = wallClock()
  const json = { userId: 'u', event: 'x', messageId, timestamp, receivedAt: timestamp }
  return { key: 'u', value: Buffer.from(JSON.stringify(json)) }
}

test('a click right behind an erasure is kept, one right before it is not', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-erase-'))
  const opened: System[] = []
  t.after(async () => {
    for (const system of opened) await system.stop()
    rmSync(directory, { recursive: true, force: true })
  })
  const open = async () => {
    const system = await openSystem({
      directory,
      project: 'default',
      partitions: 1,
      clock: wallClock,
      settings: {},
      logger: pino({ level: 'silent' }),
      retentionMs: 86_400_000,
      delivers: false,
    })
    opened.push(system)
    return system
  }
  const system = await open()
  const erase = { key: 'u', value: encodeRecord({ kind: 'erase', userId: 'u' }) }
  const before = await system.log.append('clicks', 0, [click('before'), erase, click('after')])
  await system.caughtUp()
  const ids = await system.store.query('SELECT event_id, verdict FROM clicks FINAL')
  assert.deepEqual(ids, [{ event_id: 'after', verdict: 'accepted' }])
  const told = await system.log.read('alerts', 0, 0, 1024)
  assert.deepEqual(
    told.map(({ value }) => decodeErasure(value)),
    [{ userId: 'u', epoch: 0, partition: 0, offset: before + 1 }],
    'webhooks are told',
  )
  await system.stop()
  const again = await open()
  const [users] = await again.store.query('SELECT user_id FROM users FINAL')
  assert.deepEqual(users, { user_id: 'u' })
  await again.stop()
})
