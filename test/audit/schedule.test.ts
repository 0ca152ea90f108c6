/** The daily audit: one a day, where partition 0 is; kept, and told as metrics. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pino from 'pino'
import { auditMeter } from '../../services/audit/meter.ts'
import { startAuditSchedule } from '../../services/audit/schedule.ts'
import { createMetrics } from '../../services/base/metrics.ts'
import { openScene, type Scene } from './scene.ts'

const dayMs = 86_400_000

let scene: Scene
before(async () => {
  scene = await openScene(1)
})
after(() => scene.close())

async function auditsKept(): Promise<number> {
  const [row] = await scene.store.query<{ count: string }>(
    'SELECT uniqExact(started_at) AS count FROM audits',
  )
  return Number(row!.count)
}

/** Resolves when the schedule has looked so often. */
function looksOf() {
  let looks = 0
  const waiting = new Set<() => void>()
  return {
    isOurs(answer: boolean) {
      looks++
      for (const wake of waiting) wake()
      return answer
    },
    more(count: number): Promise<void> {
      const until = looks + count
      return new Promise(resolve => {
        const wake = () => {
          if (looks < until) return
          waiting.delete(wake)
          resolve()
        }
        waiting.add(wake)
      })
    },
  }
}

test('once a day, by the process that has partition 0 and by no other', async () => {
  let nowMs = dayMs * 20_000
  let ours = false
  const looks = looksOf()
  // Nothing else keeps this process: the timers of the schedule do not.
  const alive = setInterval(() => {}, 1_000)
  const schedule = startAuditSchedule({
    source: () => scene.source,
    wallClock: () => nowMs,
    isOurs: () => looks.isOurs(ours),
    logger: pino({ level: 'silent' }),
    lookIntervalMs: 5,
  })
  await looks.more(3)
  assert.equal(await auditsKept(), 0, 'another process has partition 0')
  ours = true
  // One look is done before the next begins, so at the third the first has been kept.
  await looks.more(3)
  assert.equal(await auditsKept(), 1)
  nowMs += dayMs - 1
  await looks.more(3)
  assert.equal(await auditsKept(), 1, 'a day is not over')
  nowMs += 1
  await looks.more(3)
  assert.equal(await auditsKept(), 2)
  await schedule.stop()
  clearInterval(alive)

  const metrics = createMetrics()
  auditMeter(metrics, scene.store, () => nowMs + 90_000)
  const text = await metrics.text()
  assert.match(text, /^ebb_audit_differences\{kind="sessions"\} 0$/m)
  assert.match(text, /^ebb_audit_checked\{kind="users"\} [1-9]\d*$/m)
  assert.match(text, /^ebb_audit_age_seconds 90$/m)
})

test('an audit ends early when its process is to stop, and keeps nothing', async () => {
  const kept = await auditsKept()
  const looks = looksOf()
  const schedule = startAuditSchedule({
    source: () => scene.source,
    wallClock: () => dayMs * 30_000,
    isOurs: () => looks.isOurs(true),
    logger: pino({ level: 'silent' }),
    lookIntervalMs: 5,
  })
  const alive = setInterval(() => {}, 1_000)
  await looks.more(1)
  await schedule.stop()
  clearInterval(alive)
  assert.equal(await auditsKept(), kept)
})

test('before the first audit there is no age', async () => {
  await scene.store.command('TRUNCATE TABLE audits')
  const metrics = createMetrics()
  auditMeter(metrics, scene.store, () => 0)
  const text = await metrics.text()
  assert.doesNotMatch(text, /^ebb_audit_age_seconds/m)
  assert.doesNotMatch(text, /^ebb_audit_differences\{/m)
})
