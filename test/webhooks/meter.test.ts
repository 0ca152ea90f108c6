/** What webhooks count of the rows that they store. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../../services/base/metrics.ts'
import { deliveryMeter } from '../../services/webhooks/meter.ts'
import { attemptRow, endedRow, endings, freshRow } from '../../services/webhooks/verdict.ts'
import { alert, testClockMs } from './fixture.ts'

test('the time of each attempt counts once, of those that were taken too', async () => {
  const metrics = createMetrics()
  const meter = deliveryMeter(metrics)
  const fresh = freshRow(alert('ann'), 'endpoint', testClockMs)
  const times = {
    scheduleMs: [0, 1, 1],
    random: () => 0.5,
    startMs: testClockMs,
    endMs: testClockMs,
  }
  const failed = attemptRow(
    fresh,
    { code: 500, error: '', durationMs: 40, retryAfterMs: undefined },
    times,
  )
  const taken = attemptRow(
    failed,
    { code: 204, error: '', durationMs: 20, retryAfterMs: undefined },
    times,
  )
  meter([fresh])
  meter([failed, endedRow(failed, endings.returned)])
  meter([taken])
  const text = await metrics.registry.metrics()
  assert.match(text, /^ebb_delivery_duration_seconds_count 2$/m)
  assert.match(text, /^ebb_delivery_duration_seconds_sum 0\.06$/m)
  assert.match(text, /^ebb_deliveries_total\{status="delivered"\} 1$/m)
})
