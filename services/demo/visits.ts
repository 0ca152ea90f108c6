/**
 * When people come: each in his own gap, at about his own hour, twice on some days, less of them on
 * weekdays. A visit follows from seed, user and day alone, so days can be asked for in any order.
 */
import { between, chanceOf, wholeBetween } from './chance.ts'
import type { Person } from './people.ts'
import { silencesOf } from './story.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000

export interface Visit {
  readonly person: Person
  readonly startMs: number
  /** Names it among the visits of this person: the day and its place in it. */
  readonly name: string
  readonly orders: boolean
}

export interface Shop {
  readonly seed: number
  /** Where the history ends and the story begins; a midnight. */
  readonly storyMs: number
}

/** Visits by hour of the day, UTC: the shop sleeps at four and is busiest at eight in the evening. */
const hourWeights = [
  3, 2, 1, 1, 1, 2, 4, 7, 9, 10, 10, 11, 14, 12, 10, 9, 10, 12, 15, 18, 20, 17, 11, 6,
]
const weightSum = hourWeights.reduce((sum, weight) => sum + weight, 0)

/** Visits of one person are at least so far apart: two sessions stay two. */
const apartMs = 2 * hourMs
/** No session reaches over midnight. */
const firstMinuteMs = 40 * minuteMs
const lastMinuteMs = 23 * hourMs

/** The time of day before which this share of the visits comes. */
function timeOfDay(share: number): number {
  let left = share * weightSum
  let hour = 0
  while (left > hourWeights[hour]!) left -= hourWeights[hour++]!
  return (hour + left / hourWeights[hour]!) * hourMs
}

export function visitsOf(shop: Shop, person: Person, day: number): Visit[] {
  const { seed, storyMs } = shop
  if (day < person.firstDay || day >= person.endDay) return []
  const usual = usualVisits(seed, person, day)
  if (person.cast === null) return apart(usual)
  const fromMs = day * dayMs
  const silences = silencesOf(seed, storyMs, person.cast, fromMs - dayMs, fromMs + 2 * dayMs)
  const isQuiet = (atMs: number) =>
    silences.some(({ beginMs, endMs }) => atMs > beginMs - apartMs && atMs < endMs + apartMs)
  const visits = usual.filter(({ startMs }) => !isQuiet(startMs))
  for (const { beginMs, endMs } of silences) {
    const scripted = { person, orders: false }
    if (isOn(day, beginMs)) visits.push({ ...scripted, startMs: beginMs, name: `${day}.last` })
    if (isOn(day, endMs))
      visits.push({ ...scripted, startMs: endMs, name: `${day}.back`, orders: true })
  }
  return apart(visits)
}

function isOn(day: number, timeMs: number): boolean {
  return Math.floor(timeMs / dayMs) === day
}

function usualVisits(seed: number, person: Person, day: number): Visit[] {
  if (!isVisitDay(person, day)) return []
  const chance = chanceOf(seed, person.userId, day)
  const { persona } = person
  if (persona !== 'loyal' && day !== person.firstDay && isWeekday(day) && chance() < 0.15) return []
  const usualMs = timeOfDay(person.hourShare) + between(chance, -90, 90) * minuteMs
  const times = [usualMs]
  if (chance() < (persona === 'loyal' ? 0.35 : 0.1)) times.push(timeOfDay(chance()))
  return times.map((timeMs, index) => ({
    person,
    startMs: day * dayMs + Math.round(Math.min(Math.max(timeMs, firstMinuteMs), lastMinuteMs)),
    name: `${day}.${index}`,
    orders: index === 0 && isOrderDay(seed, person, day),
  }))
}

/** Drops what comes too soon after the visit before. */
function apart(visits: Visit[]): Visit[] {
  visits.sort((left, right) => left.startMs - right.startMs)
  return visits.filter(
    ({ startMs }, index) => index === 0 || startMs - visits[index - 1]!.startMs >= apartMs,
  )
}

/** Day 0 of 1970 was a Thursday. */
function isWeekday(day: number): boolean {
  return (day + 3) % 7 < 5
}

function isVisitDay(person: Person, day: number): boolean {
  if (day === person.firstDay) return true
  return isOver(person.gapDays, person.phaseDays, day - 1, day)
}

/** Whether a gap ends after the one day and up to the other. */
function isOver(gapDays: number, phaseDays: number, fromDay: number, toDay: number): boolean {
  if (!Number.isFinite(gapDays)) return false
  return Math.floor((fromDay + phaseDays) / gapDays) < Math.floor((toDay + phaseDays) / gapDays)
}

function isOrderDay(seed: number, person: Person, day: number): boolean {
  if (person.persona === 'one-timer') return chanceOf(seed, 'only order', person.userId)() < 0.2
  if (person.cast === null && pausesBuying(seed, person, day)) return false
  let before = day - 1
  while (before > person.firstDay && !isVisitDay(person, before)) before--
  return isOver(person.orderGapDays, person.phaseDays, before, day)
}

const pauseRoundDays = 60

/** Every second loyal user stops buying for weeks in each round of 60 days, and still comes to look. */
function pausesBuying(seed: number, person: Person, day: number): boolean {
  if (person.persona !== 'loyal') return false
  const at = day + Math.floor(person.hourShare * pauseRoundDays)
  const chance = chanceOf(seed, 'pause', person.userId, Math.floor(at / pauseRoundDays))
  if (chance() < 0.5) return false
  return at % pauseRoundDays < wholeBetween(chance, 20, 32)
}
