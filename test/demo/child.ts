/**
 * A demo with a short history and no pauses, until so many days of its story have passed:
 * `child.ts DIRECTORY DAYS [PORT]`. Says what the demo prints, `beat` for each step, and in the end `result JSON`.
 */
import pino from 'pino'
import { projectCalls } from '../../services/control/calls.ts'
import { demoSettings } from '../../services/control/kind.ts'
import { openSystem } from '../../services/control/system.ts'
import { openDemoClock, startDemo } from '../../services/demo/demo.ts'
import { plan, type Result } from './plan.ts'
import { settled } from './settled.ts'

const [directory, storyDays, receiverPort = '0'] = process.argv.slice(2)
const endMs = plan.storyMs + Number(storyDays) * 86_400_000
const say = (line: string) => process.stdout.write(`${line}\n`)

const clock = await openDemoClock(directory!, plan)
const system = await openSystem({
  directory: directory!,
  project: 'demo',
  partitions: 4,
  clock: clock.now,
  settings: demoSettings,
  logger: pino({ level: 'silent' }),
  retentionMs: Number.POSITIVE_INFINITY,
  delivers: true,
})
const ended = Promise.withResolvers<void>()
const stopped = Promise.withResolvers<void>()

/** A step of the story may be followed by the next when all that it set off has reached the receiver. */
async function beat(): Promise<void> {
  await settled(system)
  say('beat')
  if (clock.now() < endMs) return
  ended.resolve()
  await stopped.promise
}

const calls = projectCalls(system)
const demo = await startDemo({
  system,
  clock,
  calls,
  print: say,
  receiverPort: Number(receiverPort),
  plan,
  beat,
})
await ended.promise
const result: Result = {
  clicks: await system.store.query(
    'SELECT count() AS count, sum(cityHash64(user_id, event_id, timestamp, verdict)) AS hash FROM clicks FINAL',
  ),
  rejects: await system.store.query(
    "SELECT user_id, reason FROM rejects FINAL WHERE kind != 'aside'",
  ),
  sessions: await system.store.query(
    `SELECT user_id, session_id, part, start, end, clicks, value, final
     FROM sessions FINAL ORDER BY user_id, start, part`,
  ),
  alerts: await system.store.query(
    `SELECT rule_id, user_id, status, reason, message_id, since, due, clock
     FROM alerts FINAL ORDER BY clock, message_id`,
  ),
}
say(`result ${JSON.stringify(result)}`)
const stop = demo.stop()
stopped.resolve()
await stop
await system.stop()
