import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goLive } from '../../services/collector/live.ts'
import { outletOf } from '../../services/collector/outlet.ts'
import { decoded, door, event, fakeLog, gate, now, silent, topic } from './fixture.ts'

test('the first live click waits until Live stands in every partition', async () => {
  const { post, log } = door({ log: fakeLog(4), live: false })
  assert.equal((await post('/v1/track', event())).status, 200)
  for (const records of log.kept.keys()) assert.equal(decoded(log).length, 5, `${records}`)
  assert.deepEqual(
    log.appends.slice(0, 4).map(append => append.partition),
    [0, 1, 2, 3],
  )
  assert.deepEqual(decoded({ ...log, kept: log.kept.map(records => records.slice(0, 1)) }), [
    ...Array(4).fill({ kind: 'live', atMs: now }),
  ])
})

test('clicks that come meanwhile wait for the same Live', async () => {
  const { post, log } = door({ log: fakeLog(2), live: false })
  const { closed, open } = gate()
  log.gate = closed
  const answers = [1, 2, 3].map(n => post('/v1/track', event({ messageId: `m${n}` })))
  while (log.appends.length < 2) await new Promise(setImmediate)
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  assert.equal(log.appends.length, 2)
  open()
  for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200)
  assert.equal(decoded(log).filter(record => record.kind === 'live').length, 2)
})

test('where Live cannot be stored the click is not taken, and the next one tries again', async () => {
  const { post, log } = door({ log: fakeLog(2), live: false })
  log.refusing = [1]
  assert.equal((await post('/v1/track', event())).status, 503)
  assert.deepEqual(
    decoded(log).map(record => record.kind),
    ['live'],
  )
  log.refusing = []
  assert.equal((await post('/v1/track', event())).status, 200)
  assert.equal(decoded(log).filter(record => record.kind === 'click').length, 1)
  for (const records of log.kept) assert.ok(records.length >= 1)
})

test('a project that is live gets no second Live; a bad event alone makes none live', async () => {
  const started = door({ live: true })
  await started.post('/v1/track', event())
  assert.deepEqual(
    decoded(started.log).map(record => record.kind),
    ['click'],
  )
  const historic = door({ live: false })
  await historic.post('/v1/track', {})
  assert.deepEqual(decoded(historic.log), [])
})

test('goLive is there for the command too', async () => {
  const log = fakeLog(2)
  await goLive(outletOf({ log, topic, partitions: 2, logger: silent }), now)
  assert.deepEqual(decoded(log), Array(2).fill({ kind: 'live', atMs: now }))
})
