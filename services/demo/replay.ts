/**
 * Replays the shop into the log. First its history, in large stretches, as fast as the processor takes it; from
 * the story's beginning on in small ones, each worth a beat of real time. A slow machine slows it down: no
 * stretch is appended while the processor is too far behind, and a beat that was missed is not made up for.
 *
 * A stretch: the clock moves to its end, then each partition gets its clicks and a tick, in one append. A crash
 * leaves each partition with or without it; the next run goes on from there (position.ts).
 */
import { EbbError } from '../base/errors.ts'
import { partitionOf } from '../base/slot.ts'
import { pause, steadyClock } from '../base/time.ts'
import type { System } from '../control/system.ts'
import { encodeRecord } from '../log/codec.ts'
import type { NewRecord } from '../log/log.ts'
import type { Click } from '../log/record.ts'
import type { ReplayClock } from './clock.ts'
import { replayer, writtenUpTo } from './position.ts'
import type { DemoShop } from './shop.ts'

/** Times of the project. The edges of stretches follow from it alone, so every run meets the same ones. */
export interface Plan {
  readonly openMs: number
  /** Where the history ends; a midnight. */
  readonly storyMs: number
  /** A stretch of the history, and of the story. */
  readonly chunkMs: number
  readonly stepMs: number
  /** How far the processor may be behind before the story waits for it. */
  readonly lagMsMax: number
}

/** Clicks that do not come: of this time of the project none is ever written. */
export interface Cut {
  readonly fromMs: number
  readonly untilMs: number
  /** Nothing comes at all, not even ticks: as when the collectors are down. Else time is told as usual. */
  readonly silent: boolean
}

export interface ReplayOptions {
  readonly system: System
  readonly clock: ReplayClock
  readonly shop: DemoShop
  readonly plan: Plan
  /** Resolves when the next step of the story may be taken. */
  readonly beat: () => Promise<void>
  /** All before this time is folded; called after each stretch of the history. */
  readonly onHistory: (uptoMs: number) => void
  /** Called between history and story, again if the first step did not follow it. */
  readonly onStory: () => Promise<void>
  /** The cut that was asked for last. */
  readonly cut: () => Cut | undefined
  /** The log takes nothing for now; it is tried again. */
  readonly troubled: (error: EbbError) => void
  readonly stopping: AbortSignal
}

const tickIntervalMs = 60_000
const lookIntervalMs = 20
const retryDelayMs = 5_000

/** Resolves when it was told to stop. */
export async function replay(options: ReplayOptions): Promise<void> {
  const { stopping } = options
  while (!stopping.aborted) {
    try {
      await goOn(options)
    } catch (error) {
      if (stopping.aborted) return
      if (!(error instanceof EbbError) || !error.retriable) throw error
      options.troubled(error)
      await pause(retryDelayMs, stopping)
    }
  }
}

async function goOn(options: ReplayOptions): Promise<void> {
  const { system, clock, plan, stopping } = options
  const { openMs, storyMs } = plan
  const written = (await writtenUpTo(system.log)).map(atMs => atMs ?? openMs)
  clock.advance(Math.max(...written))
  while (!stopping.aborted) {
    const fromMs = Math.min(...written)
    if (fromMs === storyMs) await options.onStory()
    const untilMs = edgeAfter(plan, options.cut(), fromMs)
    clock.advance(untilMs)
    await writeStretch(options, written, untilMs)
    written.fill(untilMs)
    if (untilMs > storyMs) {
      await options.beat()
      await foldedUpTo(options, untilMs - plan.lagMsMax)
    } else {
      await foldedUpTo(options, untilMs)
      if (!stopping.aborted) options.onHistory(untilMs)
    }
  }
}

function edgeAfter(
  { openMs, storyMs, chunkMs, stepMs }: Plan,
  cut: Cut | undefined,
  timeMs: number,
): number {
  const after = (fromMs: number, stretchMs: number) =>
    fromMs + (Math.floor((timeMs - fromMs) / stretchMs) + 1) * stretchMs
  if (timeMs < storyMs) return Math.min(storyMs, after(openMs, chunkMs))
  const edgeMs = after(storyMs, stepMs)
  if (!cut?.silent || timeMs >= cut.untilMs) return edgeMs
  // A hole in time is one stretch: only its end is written.
  return timeMs < cut.fromMs ? Math.min(edgeMs, cut.fromMs) : cut.untilMs
}

async function writeStretch(
  options: ReplayOptions,
  written: readonly number[],
  untilMs: number,
): Promise<void> {
  const { system, shop, plan } = options
  const cut = options.cut()
  const isCut = (timeMs: number) => cut && timeMs >= cut.fromMs && timeMs < cut.untilMs
  const clicks = shop
    .clicksBetween(Math.min(...written), untilMs)
    .filter(click => !isCut(click.timestampMs))
  const appends = written.map(async (fromMs, partition) => {
    if (fromMs >= untilMs) return
    const own = clicks.filter(
      ({ userId, timestampMs }) =>
        timestampMs >= fromMs && partitionOf(userId, written.length) === partition,
    )
    const isHole = cut?.silent && isCut(fromMs)
    const ticksFromMs = untilMs <= plan.storyMs || isHole ? untilMs : fromMs + tickIntervalMs
    await system.log.append('clicks', partition, withTicks(own, ticksFromMs, untilMs))
  })
  await Promise.all(appends)
}

/** The clicks, and between them a tick each minute: without, a time without clicks were a hole. */
function withTicks(clicks: readonly Click[], fromMs: number, untilMs: number): NewRecord[] {
  const records: NewRecord[] = []
  let at = 0
  for (let tickMs = fromMs; tickMs < untilMs + tickIntervalMs; tickMs += tickIntervalMs) {
    const atMs = Math.min(tickMs, untilMs)
    while (at < clicks.length && clicks[at]!.timestampMs < atMs)
      records.push(recordOf(clicks[at++]!))
    records.push({ key: null, value: encodeRecord({ kind: 'tick', atMs, writer: replayer }) })
  }
  return records
}

function recordOf(click: Click): NewRecord {
  return { key: click.userId, value: encodeRecord(click) }
}

async function foldedUpTo({ system, stopping }: ReplayOptions, timeMs: number): Promise<void> {
  const isBehind = () =>
    [...system.processor.partitions.values()].some(({ state }) => state.clockMs < timeMs)
  while (isBehind() && !stopping.aborted) await pause(lookIntervalMs, stopping)
}

/** A beat every `intervalMs`; what comes late puts off all that follow. */
export function everyBeat(intervalMs: number, stopping: AbortSignal): () => Promise<void> {
  let nextMs = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = steadyClock()
    nextMs = Math.max(nextMs + intervalMs, nowMs)
    return pause(nextMs - nowMs, stopping)
  }
}
