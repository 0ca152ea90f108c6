/** Turns counts seen at moments into rates: how fast clicks come in, and how fast the project's clock runs. */

export interface Sighting {
  readonly wallMs: number
  /** Null before the first record. */
  readonly clockMs: number | null
  readonly clicks: number
  readonly records: number
}

export interface Rates {
  /** Null until there are two sightings. */
  readonly clicksPerSecond: number | null
  /** Project time per wall time: about 1 for a live project, 600 for a replay at 600x. */
  readonly speed: number | null
  /** Clicks a second as of each of the last sightings, the newest last. */
  readonly recent: readonly number[]
  /** How long ago the log's position last moved. */
  readonly stillMs: number
}

/** The processor flushes about once a second, so shorter windows would jump between nothing and double. */
const windowMs = 5_000
/** A clock that moves in ticks of 5 s needs a longer look. */
const speedWindowMs = 30_000
const recentMax = 90

export interface Meter {
  see(now: Sighting): Rates
}

export function openMeter(): Meter {
  let sightings: Sighting[] = []
  let recent: number[] = []
  let movedAtMs: number | undefined

  return {
    see(now) {
      const previous = sightings.at(-1)
      if (!previous || previous.records !== now.records) movedAtMs = now.wallMs
      // After a pause without viewers the old counts would give the mean of the pause, not the present.
      if (previous && now.wallMs - previous.wallMs > 2 * windowMs) [sightings, recent] = [[], []]
      sightings = sightings.filter(seen => now.wallMs - seen.wallMs <= speedWindowMs)
      sightings.push(now)

      const first = sightings.find(seen => now.wallMs - seen.wallMs <= windowMs) ?? now
      const elapsedMs = now.wallMs - first.wallMs
      // Merges of repeated rows make the count fall now and then: that is no negative click.
      const clicksPerSecond =
        elapsedMs > 0 ? Math.max(0, ((now.clicks - first.clicks) * 1000) / elapsedMs) : null
      if (clicksPerSecond !== null) recent = [...recent, round(clicksPerSecond)].slice(-recentMax)
      return {
        clicksPerSecond: clicksPerSecond === null ? null : round(clicksPerSecond),
        speed: speedOf(sightings[0] ?? now, now),
        recent,
        stillMs: now.wallMs - (movedAtMs ?? now.wallMs),
      }
    },
  }
}

function speedOf(first: Sighting, now: Sighting): number | null {
  if (first.clockMs === null || now.clockMs === null || now.wallMs <= first.wallMs) return null
  return Math.max(0, (now.clockMs - first.clockMs) / (now.wallMs - first.wallMs))
}

function round(rate: number): number {
  return Math.round(rate * 10) / 10
}
