/**
 * `npm run soak -- [--minutes 30] [--rate clicks/s] [--seed 7] [--only words]`: clients, two collectors, three brokers,
 * two processors, `ebb clickhouse`, webhooks and a receiver, all in processes of their own, at half the rate that
 * clients got into the tables just before while more always waited; and one fault every 20 s, in an order that the seed decides.
 *
 * `--only`: those faults alone whose name has these words. Progress goes to standard error, the output into
 * docs/soak.md, one JSON object last to standard output. Status 1: a promise was broken; 3: there is no Kafka.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { steadyClock, wallClock } from '../../services/base/time.ts'
import { seeded } from '../processor/shop.ts'
import { clicksTopic, reached } from '../servers/compare.ts'
import { checkBooks } from './books.ts'
import { checkBounds, higherOf, noPeak, type Peak } from './bounds.ts'
import { checkDeliveries } from './deliveries.ts'
import { faultsNamed, type SoakFault, sequenceOf } from './faults.ts'
import { aftermathOf, type LagWatch, watchLag } from './lag.ts'
import { measureTopRate } from './measure-rate.ts'
import { markdownOf, type Report, type Struck, withOutput } from './report.ts'
import { type Ground, prepareGround, type SoakScene } from './scene.ts'
import { createSender, type Sender } from './sender.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string' },
    seed: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
  },
})

/** NaN would strike for ever, or send nothing. */
function numberOf(name: 'minutes' | 'rate' | 'seed'): number {
  const number = Number(values[name])
  if (!(number >= 0)) throw new Error(`--${name} ${values[name]}: this is no number from 0 on.`)
  return number
}

const durationMs = numberOf('minutes') * 60_000
const seed = numberOf('seed')
const askedRate = values.rate === undefined ? undefined : numberOf('rate')
const chosen = faultsNamed(values.only)
const periodMs = 20_000
/** After the last fault everything has so long to come back. */
const calmMs = 20_000
const lookIntervalMs = 200
/** Far above what anything here takes to come back, or to be folded. */
const foldMsMax = 600_000
const documentPath = new URL('../../docs/soak.md', import.meta.url)

const bornAtMs = steadyClock()
function say(text: string): void {
  process.stderr.write(`${((steadyClock() - bornAtMs) / 1000).toFixed(1).padStart(6)} s  ${text}\n`)
}

/** A fault that struck, from when to when something was done. */
interface Blow {
  readonly fault: SoakFault
  readonly fromMs: number
  /** The same as epoch ms. */
  readonly fromWallMs: number
  readonly overMs: number
}

/** A fault each period until shortly before the end. */
async function strikeAll(scene: SoakScene, violations: string[]): Promise<Blow[]> {
  const chance = seeded(seed)
  const sequence = sequenceOf(chosen, chance)
  const blows: Blow[] = []
  const lastAtMs = steadyClock() + durationMs - calmMs
  for (let nth = 1, atMs = steadyClock() + periodMs; ; nth++) {
    if (Math.max(atMs, steadyClock()) > lastAtMs) return blows
    await wait(Math.max(0, atMs - steadyClock()))
    const fault = sequence.next().value as SoakFault
    const [fromMs, fromWallMs] = [steadyClock(), wallClock()]
    atMs = fromMs + periodMs
    say(`fault ${nth}: ${fault.kind}`)
    try {
      await fault.strike(scene, chance)
    } catch (error) {
      violations.push(`${fault.kind}: ${(error as Error).message}`)
    }
    blows.push({ fault, fromMs, fromWallMs, overMs: steadyClock() })
  }
}

function struckOf(blows: readonly Blow[], lag: LagWatch, scene: SoakScene): Struck[] {
  const endMs = lag.sights.at(-1)!.atMs
  return blows.map(({ fault, fromMs, fromWallMs, overMs }, nth) => {
    const nextMs = blows[nth + 1]?.fromMs ?? endMs
    const clicks = aftermathOf(lag.sights, fromMs, nextMs)
    const takenAtMs = scene.receiver.takenSince(overMs, fromWallMs)
    const alertsMs = takenAtMs && takenAtMs - fromMs
    const recoveredMs = fault.recovers === 'clicks' ? clicks.recoveredMs : alertsMs
    const inTime = recoveredMs !== undefined && fromMs + recoveredMs <= nextMs
    return { kind: fault.kind, recoveredMs, worstLagMs: clicks.worstMs, inTime }
  })
}

/** What all faults did; waits until clicks and alerts have come back, or too long. */
async function untilBack(
  blows: readonly Blow[],
  lag: LagWatch,
  scene: SoakScene,
): Promise<Struck[]> {
  const givenUpAtMs = steadyClock() + foldMsMax
  for (;;) {
    const struck = struckOf(blows, lag, scene)
    const isBack = struck.every(({ recoveredMs }) => recoveredMs !== undefined)
    if (isBack || steadyClock() > givenUpAtMs) return struck
    await wait(lookIntervalMs)
  }
}

/** False: it was given up. */
async function isFolded({ log, store }: SoakScene): Promise<boolean> {
  const givenUpAtMs = steadyClock() + foldMsMax
  while (steadyClock() < givenUpAtMs) {
    const { folded, ends } = await reached(log, store)
    if (folded >= ends) return true
    await wait(lookIntervalMs)
  }
  return false
}

function servicesOf(scene: SoakScene) {
  return [...scene.collectors, ...scene.processors, scene.webhooks, scene.clickhouse]
}

async function soak(ground: Ground): Promise<Report> {
  const violations: string[] = []
  const scene = await ground.begin()
  const sender = createSender(scene.collectorUrls, seed)
  const topRate =
    askedRate === undefined ? Math.round(await measureTopRate(scene, sender)) : undefined
  const rate = askedRate ?? Math.round(topRate! / 2)
  if (!(await isFolded(scene))) throw new Error('What was sent to measure the rate is not folded.')
  say(`all runs; ${rate} clicks/s for ${values.minutes} min${topRate ? `, of ${topRate}` : ''}`)
  const lag = watchLag(scene.store, sender.waitingMs)
  const [blows] = await Promise.all([
    strikeAll(scene, violations),
    sender.run(rate, wait(durationMs)),
  ])
  say('all clicks are confirmed; now what is not back yet')
  const struck = await untilBack(blows, lag, scene)
  await lag.stop()
  for (const { kind, recoveredMs } of struck)
    if (recoveredMs === undefined) violations.push(`${kind}: nothing came back`)
  const ends = await endOf(scene, sender, violations)
  const peaks: Record<string, Peak> = {}
  for (const { kind, faults, peak } of servicesOf(scene)) {
    violations.push(...faults)
    peaks[kind] = higherOf(peaks[kind] ?? noPeak, peak())
  }
  violations.push(...checkBounds(peaks))
  const startsInVain = servicesOf(scene).reduce((sum, service) => sum + service.startsInVain(), 0)
  return {
    ...{ minutes: durationMs / 60_000, periodMs, seed, topRate, rate, struck },
    confirmed: sender.counts.confirmed,
    unconfirmed: sender.counts.unconfirmed,
    repeated: scene.receiver.counts.repeated,
    ...{ peaks, startsInVain },
    ...ends,
    violations,
  }
}

/** In order: who writes ends before the books are looked at. */
async function endOf(scene: SoakScene, sender: Sender, violations: string[]) {
  const { log, store } = scene
  for (const collector of scene.collectors) await stopInOrder(collector, violations)
  if (!(await isFolded(scene)))
    violations.push(`not all of ${clicksTopic} was folded within ${foldMsMax / 1000} s`)
  for (const processor of scene.processors) await stopInOrder(processor, violations)
  say('all is folded; now the books')
  const { faults, ...books } = await checkBooks(log, store, sender.counts)
  say(
    `${books.received} clicks on the log, ${faults.length} faults in the books; now the deliveries`,
  )
  const { faults: late, ...deliveries } = await checkDeliveries(scene, books.alerts, say)
  violations.push(...faults, ...late)
  await stopInOrder(scene.webhooks, violations)
  return { ...books, ...deliveries }
}

async function stopInOrder(
  service: { stop(): Promise<void> },
  violations: string[],
): Promise<void> {
  try {
    await service.stop()
  } catch (error) {
    violations.push((error as Error).message)
  }
}

const brokers = await brokersForTest(3, { own: true })
if (typeof brokers === 'string') process.exit(3)
const ground = await prepareGround(brokers)
try {
  const report = await soak(ground)
  const output = markdownOf(report, new Date().toISOString().slice(0, 10))
  process.stderr.write(`\n${output}\n\n`)
  writeFileSync(documentPath, withOutput(readFileSync(documentPath, 'utf8'), output))
  const { struck, violations, ...figures } = report
  console.log(JSON.stringify({ violations: violations.length, faults: struck.length, ...figures }))
  process.exitCode = violations.length === 0 ? 0 : 1
} finally {
  await ground.clear()
  await brokers.stop()
}
process.exit()
