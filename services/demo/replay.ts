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
  /** The log takes nothing for now; it is tried again. */
  readonly troubled: (error: EbbError) => void
  readonly stopping: AbortSignal
}

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
    const untilMs = edgeAfter(plan, fromMs)
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

function edgeAfter({ openMs, storyMs, chunkMs, stepMs }: Plan, timeMs: number): number {
  const after = (fromMs: number, stretchMs: number) =>
    fromMs + (Math.floor((timeMs - fromMs) / stretchMs) + 1) * stretchMs
  return timeMs < storyMs ? Math.min(storyMs, after(openMs, chunkMs)) : after(storyMs, stepMs)
}

async function writeStretch(
  { system, shop }: ReplayOptions,
  written: readonly number[],
  untilMs: number,
): Promise<void> {
  const records = written.map((): NewRecord[] => [])
  for (const click of shop.clicksBetween(Math.min(...written), untilMs)) {
    const partition = partitionOf(click.userId, written.length)
    if (click.timestampMs >= written[partition]!) records[partition]!.push(recordOf(click))
  }
  const tick = encodeRecord({ kind: 'tick', atMs: untilMs, writer: replayer })
  const appends = records.map(async (partitionRecords, partition) => {
    if (written[partition]! >= untilMs) return
    partitionRecords.push({ key: null, value: tick })
    await system.log.append('clicks', partition, partitionRecords)
  })
  await Promise.all(appends)
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
