import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMeter, type Sighting } from '../../services/web/meter.ts'

function sighting(given: Partial<Sighting>): Sighting {
  return { wallMs: 0, clockMs: 0, clicks: 0, records: 0, ...given }
}

test('one sighting says nothing about a rate', () => {
  const rates = openMeter().see(sighting({ clicks: 900 }))
  assert.deepEqual(rates, { clicksPerSecond: null, speed: null, recent: [], stillMs: 0 })
})

test('clicks per second of our clock, and how much faster the project clock runs', () => {
  const meter = openMeter()
  meter.see(sighting({}))
  const rates = meter.see(sighting({ wallMs: 2_000, clockMs: 1_200_000, clicks: 50 }))
  assert.equal(rates.clicksPerSecond, 25)
  assert.equal(rates.speed, 600)
  assert.deepEqual(rates.recent, [25])
})

test('a rate is that of the last 5 s', () => {
  const meter = openMeter()
  for (let second = 0; second <= 10; second++)
    meter.see(sighting({ wallMs: second * 1000, clicks: second < 5 ? 0 : 10 * (second - 5) }))
  const rates = meter.see(sighting({ wallMs: 11_000, clicks: 60 }))
  assert.equal(rates.clicksPerSecond, 10)
})

test('rows that a merge took away are no negative clicks', () => {
  const meter = openMeter()
  meter.see(sighting({ clicks: 100 }))
  assert.equal(meter.see(sighting({ wallMs: 1_000, clicks: 90 })).clicksPerSecond, 0)
})

test('after a pause without viewers the rate begins anew', () => {
  const meter = openMeter()
  meter.see(sighting({}))
  const rates = meter.see(sighting({ wallMs: 60_000, clicks: 6_000, records: 1 }))
  assert.equal(rates.clicksPerSecond, null)
})

test('a position that does not move is still for as long', () => {
  const meter = openMeter()
  meter.see(sighting({ records: 5 }))
  assert.equal(meter.see(sighting({ wallMs: 3_000, records: 5 })).stillMs, 3_000)
  assert.equal(meter.see(sighting({ wallMs: 4_000, records: 6 })).stillMs, 0)
})
