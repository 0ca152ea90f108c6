const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const daysBeforeMonth = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]

/** Days from 1970-01-01 to a date of the Gregorian calendar; NaN for a date that does not exist. */
function dayNumber(year: number, month: number, day: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  if (!(month >= 1 && month <= 12)) return Number.NaN
  if (!(day >= 1 && day <= monthDays[month - 1]! + (leap && month === 2 ? 1 : 0))) return Number.NaN
  const before = year - 1
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  const dayOfYear = daysBeforeMonth[month - 1]! + (leap && month > 2 ? 1 : 0) + day - 1
  return before * 365 + leapDays + dayOfYear - 719_162
}

/** `count` decimal digits from `at` on as a number; NaN if one is no digit. */
function digits(text: string, at: number, count: number): number {
  let value = 0
  for (let end = at + count; at < end; at++) {
    const digit = text.charCodeAt(at) - 48
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

const zoneMissing = Number.NaN

/** The zone at the end of an ISO time, as minutes east of UTC: Z, +hh, +hhmm or +hh:mm; NaN for all else. */
function zoneMinutes(text: string, at: number): number {
  const sign = text[at]
  const length = text.length - at
  if (sign === 'Z' || sign === 'z') return length === 1 ? 0 : zoneMissing
  if (sign !== '+' && sign !== '-') return zoneMissing
  const hours = digits(text, at + 1, 2)
  const colon = text[at + 3] === ':'
  if (length !== 3 && length !== (colon ? 6 : 5)) return zoneMissing
  const minutes = length === 3 ? 0 : digits(text, at + (colon ? 4 : 3), 2)
  if (!(hours <= 23 && minutes <= 59)) return zoneMissing
  return (sign === '-' ? -1 : 1) * (hours * 60 + minutes)
}

/**
 * ISO 8601 date and time with a zone, in epoch ms: `2024-03-13T10:21:14.5+02:00`. A blank may stand for
 * the T, seconds may be left out, what is finer than a millisecond is cut off. NaN for all else, for a
 * missing zone and for a date that does not exist.
 */
export function parseIsoTime(text: string): number {
  const day = dayNumber(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2))
  const between = text[10]
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':') return Number.NaN
  if (between !== 'T' && between !== 't' && between !== ' ') return Number.NaN
  const hours = digits(text, 11, 2)
  const minutes = digits(text, 14, 2)
  let at = 16
  let ms = 0
  if (text[at] === ':') {
    const seconds = digits(text, 17, 2)
    if (!(seconds <= 59)) return Number.NaN
    ms = seconds * 1000
    at = 19
    if (text[at] === '.' || text[at] === ',') {
      const from = ++at
      for (let unitMs = 100; text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57; at++) {
        if (unitMs >= 1) ms += (text.charCodeAt(at) - 48) * unitMs
        unitMs /= 10
      }
      if (at === from) return Number.NaN
    }
  }
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN
  return day * 86_400_000 + hours * 3_600_000 + (minutes - zoneMinutes(text, at)) * 60_000 + ms
}
