/** The days on which a user was active: a bit each for the last 96 days up to the newest one. */

export interface ActiveDays {
  /** The newest active day; -1 before the first. */
  newest: number
  /** Bit i of word w stands for the day newest - (32 w + i). */
  bits0: number
  bits1: number
  bits2: number
}

const bitCount = 96
export const daysWindow = 90
const gapsMin = 5

export function createActiveDays(): ActiveDays {
  return { newest: -1, bits0: 0, bits1: 0, bits2: 0 }
}

/** Marks a day; false when it was marked already, or is older than what is kept. */
export function markDay(days: ActiveDays, day: number): boolean {
  if (day > days.newest) {
    if (days.newest >= 0) shift(days, day - days.newest)
    days.newest = day
    days.bits0 |= 1
    return true
  }
  const back = days.newest - day
  if (back >= bitCount || hasBack(days, back)) return false
  const bit = 1 << (back & 31)
  if (back < 32) days.bits0 |= bit
  else if (back < 64) days.bits1 |= bit
  else days.bits2 |= bit
  return true
}

/** Moves all bits `count` days further back. */
function shift(days: ActiveDays, count: number): void {
  let left = Math.min(count, bitCount)
  for (; left >= 32; left -= 32) {
    days.bits2 = days.bits1
    days.bits1 = days.bits0
    days.bits0 = 0
  }
  if (left === 0) return
  days.bits2 = (days.bits2 << left) | (days.bits1 >>> (32 - left))
  days.bits1 = (days.bits1 << left) | (days.bits0 >>> (32 - left))
  days.bits0 <<= left
}

function hasBack(days: ActiveDays, back: number): boolean {
  const word = back < 32 ? days.bits0 : back < 64 ? days.bits1 : days.bits2
  return (word & (1 << (back & 31))) !== 0
}

/** The active days within (today - window, today], ascending. */
export function activeDaysWithin(days: ActiveDays, today: number, window: number): number[] {
  const found: number[] = []
  if (days.newest < 0) return found
  for (let back = bitCount - 1; back >= 0; back--) {
    const day = days.newest - back
    if (day > today - window && day <= today && hasBack(days, back)) found.push(day)
  }
  return found
}

// Scratch of usualGapDays: how often each gap occurs, all zero between calls; how many gaps; the day counted last.
const gapCounts = new Uint8Array(daysWindow + 1)
let gapCount = 0
let laterDay = -1

/**
 * The median gap, in days, between the active days of (today - 90, today]; of an even number of gaps the
 * mean of the middle two. NaN with fewer than 5 gaps.
 */
export function usualGapDays(days: ActiveDays, today: number): number {
  gapCount = 0
  laterDay = -1
  if (days.newest >= 0) {
    countGaps(days.bits0, days.newest, today)
    countGaps(days.bits1, days.newest - 32, today)
    countGaps(days.bits2, days.newest - 64, today)
  }
  if (gapCount === 0) return Number.NaN
  const median = gapCount >= gapsMin ? medianOf(gapCount) : Number.NaN
  gapCounts.fill(0)
  return median
}

/** The gaps between the days of the window that a word has, the lowest bit being `newest`, and to the day before. */
function countGaps(word: number, newest: number, today: number): void {
  for (let left = word; left !== 0; left &= left - 1) {
    const day = newest - (31 - Math.clz32(left & -left))
    if (day > today) continue
    if (day <= today - daysWindow) return
    if (laterDay >= 0) {
      gapCounts[laterDay - day]!++
      gapCount++
    }
    laterDay = day
  }
}

function medianOf(gaps: number): number {
  const low = nth((gaps - 1) >> 1)
  return gaps % 2 === 1 ? low : (low + nth(gaps >> 1)) / 2
}

/** The gap at that place of the sorted gaps, from 0. */
function nth(place: number): number {
  let seen = 0
  for (let gap = 0; gap <= daysWindow; gap++) {
    seen += gapCounts[gap]!
    if (seen > place) return gap
  }
  return Number.NaN
}
