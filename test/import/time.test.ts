import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTime, type TimeUnit } from '../../services/collector/import/time.ts'
import { openZone } from '../../services/collector/import/zone.ts'
import { nowMs } from './fixture.ts'

/** ISO in UTC, or the reason. */
function time(value: unknown, zone = 'Z', unit: TimeUnit = 'ms'): string {
  const rule = { column: 'at', unit, zone: openZone(zone), latestMs: nowMs }
  const read = readTime(value, rule)
  return read.kind === 'dead' ? read.reason : new Date(read.timeMs).toISOString().slice(0, 19)
}

test('the ways to write a time', () => {
  const expected = '2024-03-13T10:21:00'
  const ways = [
    '2024-03-13 10:21',
    '2024-03-13 10:21:00',
    '2024-03-13T10:21:00.0',
    ' 2024-03-13T10:21Z ',
  ]
  const zones = ['2024-03-13 10:21:00 UTC', '2024-03-13 12:21:00+02', '2024-03-13T05:21:00-0500']
  for (const text of [...ways, ...zones, '1710325260000', 1710325260000])
    assert.equal(time(text), expected, String(text))
  assert.equal(time('2024-03-13'), '2024-03-13T00:00:00')
})

test('epoch seconds are refused as such, unless the unit says so', () => {
  assert.equal(time(1710325260), 'seconds')
  assert.equal(time('1710325260'), 'seconds')
  assert.equal(time('99999999999'), 'seconds')
  assert.equal(time('100000000000'), '1973-03-03T09:46:40')
  assert.equal(time('1710325260', 'Z', 's'), '2024-03-13T10:21:00')
  assert.equal(time('1710325260.9', 'Z', 's'), '2024-03-13T10:21:00')
  assert.equal(time('1710325260000', 'Z', 's'), 'time')
})

test('times that cannot be', () => {
  for (const value of [
    '1969-12-31 23:59:59',
    '2101-01-01',
    '2023-02-29',
    '13/03/2024 10:21',
    'soon',
  ])
    assert.equal(time(value), 'time', value)
  for (const value of ['', null, undefined, true, {}, -1, 1710325260000.5, '1e999'])
    assert.equal(time(value), 'time', String(value))
})

test('a time of the future would carry the clock there', () => {
  assert.equal(time(nowMs + 1), 'future')
  assert.equal(time(nowMs), '2026-03-01T12:00:00')
})

test('a zone, by name or offset, is for times that name none', () => {
  assert.equal(time('2024-07-01 12:00', 'Europe/London'), '2024-07-01T11:00:00')
  assert.equal(time('2024-12-01 12:00', 'Europe/London'), '2024-12-01T12:00:00')
  assert.equal(time('2024-07-01 12:00Z', 'Europe/London'), '2024-07-01T12:00:00')
  assert.equal(time('2024-07-01 12:00', '-03:30'), '2024-07-01T15:30:00')
  assert.equal(time('2024-07-01 12:00', 'Asia/Kolkata'), '2024-07-01T06:30:00')
})

test('when clocks change: a time shown twice is the first, a skipped one goes on from before', () => {
  assert.equal(time('2024-10-27 00:59', 'Europe/London'), '2024-10-26T23:59:00')
  assert.equal(time('2024-10-27 01:30', 'Europe/London'), '2024-10-27T00:30:00')
  assert.equal(time('2024-10-27 02:00', 'Europe/London'), '2024-10-27T02:00:00')
  assert.equal(time('2024-03-31 00:59', 'Europe/London'), '2024-03-31T00:59:00')
  assert.equal(time('2024-03-31 01:30', 'Europe/London'), '2024-03-31T01:30:00')
  assert.equal(time('2024-03-31 02:00', 'Europe/London'), '2024-03-31T01:00:00')
  assert.equal(time('2024-11-03 01:30', 'America/New_York'), '2024-11-03T05:30:00')
  assert.equal(time('2024-04-07 01:45', 'Australia/Lord_Howe'), '2024-04-06T14:45:00')
})

test('a zone that is none is refused', () => {
  assert.throws(() => openZone('Mars/Olympus'), /there is no time zone Mars\/Olympus/)
  assert.throws(() => openZone(''), /no time zone/)
})
