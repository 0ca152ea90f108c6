/**
 * `npm run proof:load -- [--minutes 10] [--period 20] [--rate clicks/s]`: live clicks on a real broker at half the top
 * rate, while every `period` seconds a processor joins or leaves, by SIGTERM and by SIGKILL in turn. At the end the
 * books must be exact, the tables what the pure fold makes of the log, no alert told twice, and lag must have been
 * below 2 s again before each next change.
 *
 * The top rate is the highest at which two processors keep the tables less than 2 s behind live clicks (top-rate.ts),
 * measured just before with all running that runs under the load: who sends the clicks is on the same machine, and what
 * it takes is not there for the processors.
 *
 * Progress goes to standard error; the last line on standard output is one JSON object. Status 1: a promise was
 * broken; 3: there is no Kafka.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { steadyClock, wallClock } from '../../services/base/time.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Store } from '../../services/store/store.ts'
import { addEndpoint, openSecretKey } from '../../services/webhooks/endpoints.ts'
import { freePort } from '../control/ebb.ts'
import { clicksTopic, reached } from '../servers/compare.ts'
import { bookFaults, sendableOf } from './accounts.ts'
import { type Change, type Crew, changes, startCrew } from './crew.ts'
import { type LagWatch, lagMsMax, watchLag } from './lag.ts'
import { startCountingReceiver } from './receiver.ts'
import { backlog, fillFirst, measureRates } from './top-rate.ts'
import { createTraffic, type Traffic } from './traffic.ts'
import { openServersHere, type Servers } from './two.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    period: { type: 'string', default: '20' },
    rate: { type: 'string' },
  },
})
const durationMs = Number(values.minutes) * 60_000
const periodMs = Number(values.period) * 1000
const lookIntervalMs = 100
/** When nothing has come for so long, nothing more is waited for. */
const deliveryPauseMsMax = 60_000

/**
 * Sessions close and silences fire within the minutes of the load: a visitor clicks every three seconds, and one in
 * thirty pauses lasts ten. The revision is beyond a new project's own.
 */
const settings = { gap: '10s', disorder: '1s', lateness: '20s', guards: 'off' }
/** About one alert for each hundred clicks: far more than a shop has. */
const rules = [
  {
    id: 'bought',
    when: { quiet_for: '40s', since: 'purchase' },
    then: { escalate: ['80s'], cooldown: '60s' },
    holdout: '50%',
  },
]

const bornAtMs = steadyClock()
function say(text: string): void {
  process.stderr.write(`${((steadyClock() - bornAtMs) / 1000).toFixed(1).padStart(6)} s  ${text}\n`)
}

async function begin(servers: Servers, partitions: number): Promise<void> {
  const records = [
    encodeRecord({ kind: 'settings', revision: 1000, settings: JSON.stringify(settings) }),
    ...rules.map(rule => encodeRecord({ kind: 'rule', revision: 1, rule: JSON.stringify(rule) })),
  ].map(value => ({ key: null, value }))
  for (let partition = 0; partition < partitions; partition++)
    await servers.log.append(clicksTopic, partition, records)
}

async function untilFolded(servers: Servers, crew: Crew): Promise<void> {
  for (;;) {
    const { folded, ends } = await reached(servers.log, servers.store)
    if (folded >= ends) return
    crew.check()
    await wait(lookIntervalMs)
  }
}

interface Turn {
  readonly change: Change
  readonly atMs: number
}

/** Changes the crew every period as long as clicks come, and leaves each a whole period. */
async function changeCrew(crew: Crew, ended: () => boolean): Promise<Turn[]> {
  const turns: Turn[] = []
  const startedAtMs = steadyClock()
  for (let nth = 0; ; nth++) {
    const atMs = startedAtMs + (nth + 1) * periodMs
    if (atMs + periodMs > startedAtMs + durationMs) return turns
    while (steadyClock() < atMs && !ended()) await wait(lookIntervalMs)
    if (ended()) return turns
    const change = changes[nth % changes.length]!
    const turn = { change, atMs: steadyClock() }
    turns.push(turn)
    await crew.change(change)
    say(`change ${nth + 1}, ${change}: done in ${Math.round(steadyClock() - turn.atMs)} ms`)
    crew.check()
  }
}

function tellTurns(turns: readonly Turn[], lag: LagWatch, endMs: number): string[] {
  const faults: string[] = []
  const { worstMs } = lag.aftermath(0, turns[0]?.atMs ?? endMs)
  say(`before the first change: lag at most ${worstMs} ms`)
  for (const [nth, { change, atMs }] of turns.entries()) {
    const { worstMs, recoveredMs, recovered } = lag.aftermath(atMs, turns[nth + 1]?.atMs ?? endMs)
    const back = recovered ? `back after ${recoveredMs} ms` : 'NOT back before the next change'
    say(`change ${nth + 1}, ${change}: lag at most ${worstMs} ms, ${back}`)
    if (!recovered)
      faults.push(`after change ${nth + 1} (${change}) lag stayed over ${lagMsMax} ms`)
  }
  return faults
}

/** Messages whose delivery ended unsent: the user returned before, or it was old news. */
async function unsentIn(store: Store): Promise<Set<string>> {
  const rows = await store.query<{ message_id: string }>(
    "SELECT message_id FROM deliveries FINAL WHERE status IN ('cancelled', 'stale')",
  )
  return new Set(rows.map(row => row.message_id))
}

/** All that was to be sent has come, each message with one body; or its delivery says why not. */
async function deliveryFaults(
  servers: Servers,
  received: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<{ faults: string[]; unsent: number }> {
  const sendable = await sendableOf(servers.log)
  let unsent = await unsentIn(servers.store)
  const missing = () => [...sendable].filter(id => !received.has(id) && !unsent.has(id))
  for (let before = -1; missing().length > 0 && received.size > before; ) {
    before = received.size
    const lookAtMs = steadyClock() + deliveryPauseMsMax
    while (missing().length > 0 && steadyClock() < lookAtMs) await wait(lookIntervalMs)
    unsent = await unsentIn(servers.store)
  }
  const faults = missing().map(id => `message ${id} never came`)
  for (const [id, bodies] of received) {
    if (bodies.size > 1) faults.push(`message ${id} came with ${bodies.size} bodies`)
    if (!sendable.has(id)) faults.push(`message ${id} came, and is not to be sent`)
    if (unsent.has(id)) faults.push(`message ${id} came, and its delivery says it was not sent`)
  }
  return { faults, unsent: unsent.size }
}

function worst(turns: readonly Turn[], lag: LagWatch, endMs: number) {
  const by: Record<string, { worstLagMs: number; slowestRecoveryMs: number }> = {}
  for (const [nth, { change, atMs }] of turns.entries()) {
    const { worstMs, recoveredMs } = lag.aftermath(atMs, turns[nth + 1]?.atMs ?? endMs)
    const held = by[change] ?? { worstLagMs: 0, slowestRecoveryMs: 0 }
    held.worstLagMs = Math.max(held.worstLagMs, worstMs)
    held.slowestRecoveryMs = Math.max(held.slowestRecoveryMs, recoveredMs)
    by[change] = held
  }
  return by
}

async function load(servers: Servers, keys: string) {
  const receiver = await startCountingReceiver()
  const first = await servers.start('processor', ...servers.flags, '--health-port', '0')
  await first.stop('SIGTERM') // The topics and tables are there.
  const partitions = await servers.log.partitions(clicksTopic)
  await begin(servers, partitions)
  await addEndpoint(
    servers.store,
    await openSecretKey(servers.store, keys),
    receiver.url,
    wallClock(),
  )

  const traffic = createTraffic(servers.log, partitions)
  await fillFirst(traffic)
  say(`${backlog} clicks wait on ${partitions} partitions`)
  const webhooks = await servers.start(
    ...['webhooks', ...servers.flags, '--keys', keys, '--health-port', '0'],
  )
  const port = await freePort()
  const collector = await servers.start(
    ...['collector', ...servers.flags, '--port', `${port}`, '--health-port', '0'],
  )
  const crew = await startCrew(
    () => servers.start('processor', ...servers.flags, '--health-port', '0'),
    2,
  )
  const collectorUrl = `http://127.0.0.1:${port}`
  const road = {
    servers,
    crew,
    traffic,
    collectorUrl,
    say,
    untilFolded: () => untilFolded(servers, crew),
  }
  const rates = values.rate ? undefined : await measureRates(road)
  const rate = rates ? Math.round(rates.topRate / 2) : Number(values.rate)
  await untilFolded(servers, crew)
  say(`now ${rate} clicks/s for ${values.minutes} min`)
  const result = await underLoad(servers, crew, traffic, rate, collectorUrl)
  await collector.stop('SIGTERM')
  await untilFolded(servers, crew)
  await crew.stop()
  say('all is folded; now the books')
  const received = traffic.sent.appended + traffic.sent.collected
  const { faults, ...books } = await bookFaults(servers.log, servers.store, received)
  say(`${received} clicks received, ${faults.length} faults in the books; now the deliveries`)
  const deliveries = await deliveryFaults(servers, receiver.bodies)
  faults.push(...result.faults, ...deliveries.faults)
  await webhooks.stop('SIGTERM')
  await receiver.stop()
  const { unsent } = deliveries
  const delivered = { messages: receiver.bodies.size, requests: receiver.requests(), unsent }
  const { sent } = traffic
  return { faults, ...rates, rate, sent, received, ...books, delivered, ...result.lag }
}

async function underLoad(
  servers: Servers,
  crew: Crew,
  traffic: Traffic,
  rate: number,
  collectorUrl: string,
) {
  const lag = watchLag(servers.store, traffic)
  let ended = false
  const running = traffic.run(rate, durationMs, collectorUrl).finally(() => {
    ended = true
  })
  const [turns] = await Promise.all([changeCrew(crew, () => ended), running])
  await untilFolded(servers, crew)
  await lag.stop()
  const endMs = steadyClock()
  const faults = tellTurns(turns, lag, endMs)
  return { faults, lag: { changes: turns.length, lag: worst(turns, lag, endMs) } }
}

const brokers = await brokersForTest(1, { own: true })
if (typeof brokers === 'string') process.exit(3)
const keys = mkdtempSync(join(tmpdir(), 'ebb-keys-'))
const servers = await openServersHere(brokers.addresses)
try {
  const { faults, ...result } = await load(servers, keys)
  for (const fault of faults.slice(0, 20)) say(`FAULT: ${fault}`)
  console.log(JSON.stringify({ faults: faults.length, minutes: Number(values.minutes), ...result }))
  process.exitCode = faults.length === 0 ? 0 : 1
} finally {
  await servers.close()
  await brokers.stop()
  rmSync(keys, { recursive: true, force: true })
}
process.exit()
