/** Numbers, money, durations and times as text. Times are shown in UTC, as the log has them. */

const locale = navigator.language || 'en'
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 })
const shortDay = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC',
})
const longDay = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC',
})

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

let moneyFormat = whole
let moneyCurrency = ''

/** The project's currency, as the clicks name it; anything that is none leaves plain numbers. */
export function useCurrency(currency) {
  if (currency === moneyCurrency) return
  moneyCurrency = currency
  const known = /^[A-Z]{3}$/.test(currency)
  moneyFormat = known
    ? new Intl.NumberFormat(locale, { style: 'currency', currency, maximumFractionDigits: 0 })
    : whole
}

export const money = value => moneyFormat.format(value)
export const counted = value => whole.format(value)
export const rate = value => (value > 0 && value < 10 ? tenth.format(value) : whole.format(value))
export const share = value => percent.format(value)

/** @returns {string} `1 user`, `3 users` */
export function plural(number, noun) {
  return `${whole.format(number)} ${noun}${Math.round(number) === 1 ? '' : 's'}`
}

/** The two largest units: `9 d 4 h`, `35 min`. */
export function lasting(durationMs) {
  const left = Math.max(0, durationMs)
  const days = Math.floor(left / dayMs)
  const hours = Math.floor((left % dayMs) / hourMs)
  const minutes = Math.floor((left % hourMs) / minuteMs)
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`
  if (minutes > 0) return `${minutes} min`
  return `${Math.floor(left / 1000)} s`
}

/** The same with a third unit while a silence is watched: it is seen to grow. */
export function growing(durationMs) {
  const left = Math.max(0, durationMs)
  const days = Math.floor(left / dayMs)
  const hours = String(Math.floor((left % dayMs) / hourMs)).padStart(2, '0')
  const minutes = String(Math.floor((left % hourMs) / minuteMs)).padStart(2, '0')
  return days > 0 ? `${days} d ${hours}:${minutes}` : `${hours}:${minutes} h`
}

export const times = ratio => `${ratio < 10 ? ratio.toFixed(1) : whole.format(ratio)}×`

/** `2026-03-04 12:31` */
export const minute = ms => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
/** `4 Mar 12:31` */
export const stamp = ms => `${shortDay.format(ms)} ${new Date(ms).toISOString().slice(11, 16)}`
/** Days since 1970-01-01 as `4 Mar` or `Wed 4 Mar`. */
export const dayName = day => shortDay.format(day * dayMs)
export const longDayName = day => longDay.format(day * dayMs)

export const stateWords = {
  churned: 'No order for 25 d',
  quiet: 'Quiet',
  slowing: 'Slowing',
  returned: 'Just returned',
  new: 'New',
  active: 'Active',
}

export const stateTones = {
  churned: 'bad',
  quiet: 'bad',
  slowing: 'warn',
  returned: 'good',
  active: 'good',
}
