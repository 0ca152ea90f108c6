/** The retention triangle from counted rows: which cells are complete, and the weighted mean of those. */

import { cohortCount } from './queries.ts'

export interface CohortRow {
  /** First day of the cohort, days since 1970-01-01. */
  readonly cohort: number
  readonly step: number
  readonly users: number
}

export interface Cell {
  readonly users: number
  readonly share: number
  /** False while the day (week) still runs: marked, and left out of the mean. */
  readonly complete: boolean
}

export interface Triangle {
  readonly unit: 'day' | 'week'
  readonly cohorts: readonly {
    readonly day: number
    readonly size: number
    /** False while new users may still join. */
    readonly complete: boolean
    /** Steps 1, 2, ... up to the present one. */
    readonly cells: readonly Cell[]
  }[]
  /** By step, from 1; null where no cell is complete. */
  readonly mean: readonly (number | null)[]
}

export const unitDays = { day: 1, week: 7 } as const

/** First day of the period that `day` is in; weeks begin on Monday, as day 4 (1970-01-05) was. */
export function periodOf(day: number, unit: Triangle['unit']): number {
  return day - ((day + 3) % unitDays[unit])
}

export function firstCohort(today: number, unit: Triangle['unit']): number {
  return periodOf(today, unit) - (cohortCount - 1) * unitDays[unit]
}

export function triangleOf(
  rows: readonly CohortRow[],
  today: number,
  unit: Triangle['unit'],
): Triangle {
  const present = periodOf(today, unit)
  const users = new Map(rows.map(row => [`${row.cohort}/${row.step}`, row.users]))
  const oldest = Math.min(...rows.map(row => row.cohort), present)
  const cohorts: Triangle['cohorts'][number][] = []
  for (let day = oldest; rows.length > 0 && day <= present; day += unitDays[unit]) {
    const size = users.get(`${day}/0`) ?? 0
    const steps = (present - day) / unitDays[unit]
    const cells = Array.from({ length: steps }, (_, at) => {
      const returned = users.get(`${day}/${at + 1}`) ?? 0
      const share = size === 0 ? 0 : returned / size
      return { users: returned, share, complete: at + 1 < steps }
    })
    cohorts.push({ day, size, complete: steps > 0, cells })
  }
  return { unit, cohorts, mean: meanOf(cohorts) }
}

function meanOf(cohorts: Triangle['cohorts']): (number | null)[] {
  return Array.from({ length: Math.max(0, cohorts.length - 1) }, (_, at) => {
    const complete = cohorts.filter(cohort => cohort.cells[at]?.complete)
    const size = sum(complete.map(cohort => cohort.size))
    return size === 0 ? null : sum(complete.map(cohort => cohort.cells[at]!.users)) / size
  })
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
