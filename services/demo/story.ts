/**
 * Who of the cast goes quiet when: an endless list of silences, one member after the other, beginning where
 * the history ends. The first ones are set so that a newcomer sees an alert, an escalation and a return soon.
 */
import { chanceOf, pick, wholeBetween } from './chance.ts'
import { castNames } from './names.ts'

const hourMs = 3_600_000
const dayMs = 86_400_000

/** His last visit before it begins at `beginMs`, his first one after it at `endMs`; none between them. */
export interface Silence {
  readonly beginMs: number
  readonly endMs: number
}

/** From the beginning of the story. With 3 days to the alert and 7 to its escalation. */
const opening: readonly { readonly beginDays: number; readonly lastsDays: number }[] = [
  { beginDays: -1.4, lastsDays: 4.7 },
  { beginDays: -0.6, lastsDays: 8.1 },
  { beginDays: 0.4, lastsDays: 4.5 },
]
const spacingDays = 1.5
/** All below the time until the same member's turn comes again: castNames.length * spacingDays. */
const lengthsDays = [4, 5, 5, 8, 9, 11, 16, 22]

function silenceOf(seed: number, storyMs: number, number: number): Silence {
  const first = opening[number]
  if (first) {
    const beginMs = storyMs + first.beginDays * dayMs
    return { beginMs, endMs: beginMs + first.lastsDays * dayMs }
  }
  const chance = chanceOf(seed, 'silence', number)
  const day = 2 + Math.floor((number - opening.length) * spacingDays)
  const atHour = (days: number) => storyMs + days * dayMs + wholeBetween(chance, 9, 21) * hourMs
  return { beginMs: atHour(day), endMs: atHour(day + pick(chance, lengthsDays)) }
}

/** The silences of a member of the cast that touch the time from `fromMs` to `untilMs`, in order. */
export function silencesOf(
  seed: number,
  storyMs: number,
  cast: number,
  fromMs: number,
  untilMs: number,
): Silence[] {
  const roundMs = castNames.length * spacingDays * dayMs
  const round = Math.floor((fromMs - storyMs) / roundMs)
  const silences: Silence[] = []
  for (let at = Math.max(0, round - 2); ; at++) {
    const silence = silenceOf(seed, storyMs, cast + at * castNames.length)
    if (silence.beginMs > untilMs) return silences
    if (silence.endMs >= fromMs) silences.push(silence)
  }
}
