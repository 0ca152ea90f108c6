/**
 * Who comes to the demo shop. Residents (about 540) appear over the first four weeks; a handful of newcomers
 * follow every day, most of whom never come back. All of it follows from the seed.
 */
import { between, chanceOf, pick, wholeBetween } from './chance.ts'
import { castNames, firstNames, lastNames } from './names.ts'

export type Persona = 'loyal' | 'regular' | 'browser' | 'one-timer'

export interface Person {
  readonly userId: string
  readonly persona: Persona
  /** Place in castNames; null for who has no part in the story. */
  readonly cast: number | null
  /** Days since 1970-01-01: comes on the first, and no more from the second on. */
  readonly firstDay: number
  readonly endDay: number
  /** Days from visit to visit, at least 1; a visit falls on the day on which one is over. */
  readonly gapDays: number
  /** The same from order to order; Infinity for who only looks. */
  readonly orderGapDays: number
  readonly phaseDays: number
  /** His usual hour, as a share of the day's visits that come earlier. */
  readonly hourShare: number
}

interface Habits {
  readonly gapDays: readonly [number, number]
  readonly orderGapDays: readonly [number, number]
  /** How long a newcomer of this kind stays; residents stay for good. */
  readonly stayDays: readonly [number, number]
}

const never = Number.POSITIVE_INFINITY
const habits: Readonly<Record<Persona, Habits>> = {
  // Under two days, so that only the story makes a loyal user quiet for three.
  loyal: { gapDays: [1, 1.3], orderGapDays: [4, 7], stayDays: [30, 110] },
  regular: { gapDays: [1.8, 5], orderGapDays: [18, 40], stayDays: [20, 110] },
  browser: { gapDays: [3, 9], orderGapDays: [never, never], stayDays: [8, 60] },
  'one-timer': { gapDays: [never, never], orderGapDays: [never, never], stayDays: [1, 1] },
}
const stayDaysMax = 110
const castOrderGapDays = [3, 4.5] as const

const residentCounts = { loyal: 100, regular: 210, browser: 210 } as const
const newcomersMin = 2
const newcomersMax = 6
const joiningDays = 28

export interface People {
  readonly residents: readonly Person[]
  /** The newcomers who may still come on that day. */
  newcomersAround(day: number): Person[]
}

export function createPeople(seed: number, openDay: number): People {
  const residents: Person[] = castNames.map((userId, cast) => {
    const chance = chanceOf(seed, 'cast', userId)
    const firstDay = openDay + wholeBetween(chance, 0, 3)
    const person = makePerson(chance, userId, 'loyal', firstDay)
    return { ...person, cast, orderGapDays: between(chance, ...castOrderGapDays), endDay: never }
  })
  for (const [persona, count] of Object.entries(residentCounts))
    for (let n = 0; n < count; n++) {
      const userId = residentName(residents.length)
      const chance = chanceOf(seed, 'resident', userId)
      const firstDay = openDay + Math.floor(chance() ** 2 * joiningDays)
      residents.push({
        ...makePerson(chance, userId, persona as Persona, firstDay),
        endDay: never,
      })
    }
  return {
    residents,
    newcomersAround(day) {
      const newcomers: Person[] = []
      for (let firstDay = Math.max(openDay, day - stayDaysMax); firstDay <= day; firstDay++)
        for (const person of newcomersOf(seed, openDay, firstDay))
          if (person.endDay > day) newcomers.push(person)
      return newcomers
    },
  }
}

function newcomersOf(seed: number, openDay: number, firstDay: number): Person[] {
  const chance = chanceOf(seed, 'newcomers', firstDay)
  return Array.from({ length: wholeBetween(chance, newcomersMin, newcomersMax) }, (_, n) => {
    const share = chance()
    const persona =
      share < 0.55 ? 'one-timer' : share < 0.8 ? 'browser' : share < 0.95 ? 'regular' : 'loyal'
    const number = (firstDay - openDay) * 10 + n
    const userId = `${pick(chance, firstNames)}.${pick(chance, lastNames)}.${number}`
    return makePerson(chance, userId, persona, firstDay)
  })
}

/** No two are equal below 1600. */
function residentName(n: number): string {
  const first = n % firstNames.length
  const last = (Math.floor(n / firstNames.length) + 7 * first) % lastNames.length
  return `${firstNames[first]}.${lastNames[last]}`
}

function makePerson(
  chance: () => number,
  userId: string,
  persona: Persona,
  firstDay: number,
): Person {
  const { gapDays, orderGapDays, stayDays } = habits[persona]
  return {
    userId,
    persona,
    cast: null,
    firstDay,
    endDay: firstDay + wholeBetween(chance, ...stayDays),
    gapDays: gapDays[0] === never ? never : between(chance, ...gapDays),
    orderGapDays: orderGapDays[0] === never ? never : between(chance, ...orderGapDays),
    phaseDays: chance() * 30,
    hourShare: chance(),
  }
}
