/**
 * The demo shop, simulated: some 700 people after five weeks, 2,000 to 3,000 clicks a day, endless. Pure: the
 * same seed gives the same clicks, in whatever pieces of time they are asked for.
 */
import type { Click } from '../log/record.ts'
import { createPeople } from './people.ts'
import { clicksOf, visitMsMax } from './session.ts'
import { visitsOf } from './visits.ts'

const dayMs = 86_400_000

export interface DemoShop {
  /** Clicks with `fromMs` <= time < `untilMs`, in order of time. */
  clicksBetween(fromMs: number, untilMs: number): Click[]
}

/** It opens at `openMs`; at `storyMs`, a midnight, the first high-value users are about to go quiet. */
export function createShop(options: {
  readonly seed: number
  readonly openMs: number
  readonly storyMs: number
}): DemoShop {
  const { seed, storyMs } = options
  const shop = { seed, storyMs }
  const people = createPeople(seed, Math.floor(options.openMs / dayMs))
  return {
    clicksBetween(fromMs, untilMs) {
      const clicks: Click[] = []
      const firstDay = Math.floor((fromMs - visitMsMax) / dayMs)
      for (let day = firstDay; day * dayMs < untilMs; day++)
        for (const person of [...people.residents, ...people.newcomersAround(day)])
          for (const visit of visitsOf(shop, person, day)) {
            if (visit.startMs >= untilMs || visit.startMs + visitMsMax < fromMs) continue
            for (const click of clicksOf(seed, visit))
              if (click.timestampMs >= fromMs && click.timestampMs < untilMs) clicks.push(click)
          }
      return clicks.sort(byTime)
    },
  }
}

function byTime(left: Click, right: Click): number {
  return left.timestampMs - right.timestampMs || (left.eventId < right.eventId ? -1 : 1)
}
