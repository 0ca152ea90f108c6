/** A project's days are those of its zone: in the counters of the fold, and where an older day is counted again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeRecord } from '../../services/log/codec.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import {
  changeSettings,
  dayOf,
  defaultSettings,
  rangesOf,
  type Settings,
} from '../../services/processor/fold/settings.ts'
import { migrate } from '../../services/store/migrate.ts'
import { temporaryEngine } from '../store/fixture.ts'
import { foldAll, makeTopics } from './fold-all.ts'

const hourMs = 3_600_000
const zone = [[0, 600]] as const

test('an older day that a late click touches is counted again in the zone of the project', async t => {
  const engine = temporaryEngine()
  const store = await engine.open()
  let nowMs = 0
  const log = openMemoryLog({ clock: () => nowMs })
  t.after(async () => {
    await log.close()
    await store.close()
    engine.remove()
  })
  await migrate(store)
  await makeTopics(log, 1)
  const settings = JSON.stringify({ zone })
  const record = encodeRecord({ kind: 'settings', revision: 1, settings })
  await log.append('clicks', 0, [{ key: null, value: record }])
  const send = async (utc: string, arrivedUtc = utc) => {
    nowMs = Date.parse(arrivedUtc)
    const json = { userId: 'u', event: 'x', messageId: utc, timestamp: Date.parse(utc) }
    await log.append('clicks', 0, [{ key: 'u', value: Buffer.from(JSON.stringify(json)) }])
  }
  await send('2026-03-01T14:30:00Z')
  await send('2026-03-02T13:30:00Z')
  await send('2026-03-02T14:30:00Z')
  await send('2026-03-07T10:00:00Z')
  await send('2026-03-01T15:00:00Z', '2026-03-07T10:00:01Z')
  await foldAll(log, store)
  const rows = await store.query<{ day: string; clicks: string }>(
    'SELECT toString(day) AS day, clicks FROM user_days FINAL ORDER BY day',
  )
  assert.deepEqual(
    rows.map(({ day, clicks }) => ({ day, clicks: Number(clicks) })),
    [
      { day: '2026-03-02', clicks: 3 },
      { day: '2026-03-03', clicks: 1 },
      { day: '2026-03-07', clicks: 1 },
    ],
  )
})

test('a time is in the ranges of its day, and in those of no other', () => {
  const change = fc.record({
    afterMs: fc.integer({ min: 1, max: 60 * hourMs }),
    minutes: fc.integer({ min: -720, max: 840 }),
  })
  const holds = (changes: { afterMs: number; minutes: number }[], timeMs: number) => {
    let fromMs = 0
    const entries = changes.map(({ afterMs, minutes }) => {
      fromMs += afterMs
      return [fromMs, minutes]
    })
    const settings = changeSettings(defaultSettings, { zone: entries }) as Settings
    const day = dayOf(settings, timeMs)
    for (let other = day - 2; other <= day + 2; other++) {
      const isIn = rangesOf(settings, other).some(
        range => timeMs >= range.fromMs && timeMs < range.untilMs,
      )
      assert.equal(isIn, other === day, `day ${other} of ${timeMs}`)
    }
  }
  const changes = fc.array(change, { maxLength: 4 })
  fc.assert(fc.property(changes, fc.integer({ min: 0, max: 200 * hourMs }), holds), {
    numRuns: 2_000,
  })
})
