/**
 * How much two processors take on this machine, in two ways:
 *
 *   catch-up rate   clicks a second while more always wait. Flushes are large then, and each costs about the same.
 *   top rate        the highest rate of live clicks, of those tried, at which the tables follow: in the second half of
 *                   a stage half of all looks find them less than 2 s behind. This is what the field calls sustainable
 *                   throughput (Karimov et al., Benchmarking Distributed Stream Data Processing Systems, ICDE 2018):
 *                   the load that a system bears without falling ever further behind.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { steadyClock } from '../../services/base/time.ts'
import { reached } from '../servers/compare.ts'
import type { Crew } from './crew.ts'
import { lagMsMax, watchLag } from './lag.ts'
import type { Traffic } from './traffic.ts'
import type { Servers } from './two.ts'

/** So many clicks wait while the catch-up rate is measured: several seconds' worth. */
export const backlog = 60_000
/** Who is on the site before the first measurement: the visitors of so many clicks/s. */
const firstRate = 10_000
const catchUpMs = 60_000
/** A rate over less is none yet. */
const visitorsAfterMs = 10_000
const lookIntervalMs = 100

/** Long enough for ClickHouse's merges, which come behind its inserts. */
const stageMs = 60_000
/** Of the catch-up rate: where stages begin. The next is an eighth more, or less where not even that holds. */
const firstShare = 0.5
const stageStep = 1.125

export interface Road {
  readonly servers: Servers
  readonly crew: Crew
  readonly traffic: Traffic
  readonly collectorUrl: string
  say(text: string): void
  /** Resolves when the tables hold the whole log. */
  untilFolded(): Promise<void>
}

export async function fillFirst(traffic: Traffic): Promise<void> {
  traffic.setVisitorsFor(firstRate)
  await traffic.fill(backlog)
}

/** Clicks a second, both. A backlog waits when it is called. */
export async function measureRates(road: Road): Promise<{ catchUpRate: number; topRate: number }> {
  const catchUpRate = await measureCatchUp(road)
  road.say(`two processors took ${catchUpRate} clicks/s that waited`)
  let rate = Math.round(catchUpRate * firstShare)
  let topRate = 0
  let tooMuch = Number.POSITIVE_INFINITY
  while (topRate === 0 || rate < tooMuch) {
    if (await follows(road, rate)) topRate = rate
    else tooMuch = rate
    rate = Math.round(topRate > 0 ? topRate * stageStep : rate / stageStep)
  }
  return { catchUpRate, topRate }
}

async function follows(road: Road, rate: number): Promise<boolean> {
  await road.untilFolded()
  const lag = watchLag(road.servers.store, road.traffic)
  const fromMs = steadyClock() + stageMs / 2
  await road.traffic.run(rate, stageMs, road.collectorUrl)
  const medianMs = Math.round(lag.medianMs(fromMs))
  await lag.stop()
  road.crew.check()
  road.say(`${rate} live clicks/s: the tables are ${medianMs} ms behind`)
  return medianMs < lagMsMax
}

/** Clicks a second that the processors take while more wait, from their first flushes on. */
async function measureCatchUp({ servers, crew, traffic }: Road): Promise<number> {
  let first: { folded: number; atMs: number } | undefined
  for (;;) {
    const { folded, ends } = await reached(servers.log, servers.store)
    const atMs = steadyClock()
    // One short flush stands first: what comes at once with a start is no rate.
    if (!first && folded > backlog / 20) first = { folded, atMs }
    if (first && atMs - first.atMs > visitorsAfterMs)
      traffic.setVisitorsFor(((folded - first.folded) * 1000) / (atMs - first.atMs))
    if (first && atMs - first.atMs >= catchUpMs)
      return Math.round(((folded - first.folded) * 1000) / (atMs - first.atMs))
    if (folded >= ends) throw new Error('The processors took clicks faster than they were sent.')
    if (ends - folded < backlog) await traffic.fill(backlog / 10)
    else await wait(lookIntervalMs)
    crew.check()
  }
}
