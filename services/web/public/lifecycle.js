/** New, returning, resurrecting above the line; dormant below it; and one day's sum to check them by. */

import { at, s, say } from './dom.js'
import { counted, dayName, longDayName } from './format.js'
import { spark } from './pulse.js'

const kinds = ['returning', 'resurrecting', 'new']
const height = 200
const labelHeight = 16
const slot = 12
let days = []
let chosen = null

export function startLifecycle() {
  const chart = at('life-chart')
  chart.addEventListener('pointerover', event => choose(event.target.closest('g.day')?.dataset.day))
  chart.addEventListener('pointerleave', () => choose(undefined))
}

function choose(day) {
  chosen = day === undefined ? null : Number(day)
  for (const group of at('life-chart').querySelectorAll('g.day'))
    group.toggleAttribute('data-chosen', Number(group.dataset.day) === chosen)
  showDay()
}

export function showLifecycle(lifecycle) {
  days = lifecycle
  draw()
  showDay()
  spark(
    at('active-spark'),
    days.map(day => day.active),
  )
}

function draw() {
  const up = Math.max(1, ...days.map(day => day.active))
  const down = Math.max(1, ...days.map(day => day.dormant))
  const scale = (height - labelHeight) / (up + down)
  const base = up * scale
  const bars = days.map((day, n) => bar(day, n, scale, base))
  const line = s('line', { class: 'base', x1: 0, x2: days.length * slot, y1: base, y2: base })
  const svg = s(
    'svg',
    {
      viewBox: `0 0 ${Math.max(1, days.length) * slot} ${height}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': summary(),
    },
    ...bars,
    line,
  )
  at('life-chart').replaceChildren(svg)
  say(at('life-first'), days[0] ? dayName(days[0].day) : '')
  say(at('life-last'), days[0] ? dayName(days.at(-1).day) : '')
}

function bar(day, n, scale, base) {
  const x = n * slot
  const box = (kind, y, size) =>
    s('rect', {
      class: 'bar',
      'data-kind': kind,
      x: x + 1.5,
      width: slot - 3,
      y,
      height: Math.max(0, size),
    })
  const parts = []
  let y = base
  for (const kind of kinds) {
    const size = day[kind] * scale
    y -= size
    parts.push(box(kind, y, size))
  }
  parts.push(box('dormant', base, day.dormant * scale))
  const hit = s('rect', { class: 'hit', x, width: slot, y: 0, height })
  const running = n === days.length - 1
  const marks = { class: 'day', 'data-day': day.day, 'data-running': running && '' }
  if (!running) delete marks['data-running']
  return s('g', { ...marks, ...(day.day === chosen ? { 'data-chosen': '' } : {}) }, hit, ...parts)
}

function summary() {
  const last = days.at(-1)
  if (!last) return 'No days yet'
  return `Users by day from ${dayName(days[0].day)} to ${dayName(last.day)}; the figures of ${dayName(last.day)} follow as text`
}

function showDay() {
  const n = chosen === null ? days.length - 1 : days.findIndex(day => day.day === chosen)
  const day = days[n]
  if (!day) return say(at('life-date'), 'No days yet')
  const running = n === days.length - 1
  say(at('life-date'), `${longDayName(day.day)}${running ? ', so far' : ''}`)
  for (const kind of [...kinds, 'dormant'])
    say(document.querySelector(`#life-counts [data-kind=${kind}] dd`), counted(day[kind]))
  showIdentity(day, days[n - 1])
}

/** Two sums that must hold; each of the numbers was counted by itself. */
function showIdentity(day, before) {
  const line = at('life-identity')
  const sum = day.new + day.returning + day.resurrecting
  const carried = before ? before.active - day.dormant + day.new + day.resurrecting : sum
  line.dataset.holds = sum === day.active && carried === day.active ? 'yes' : 'no'
  const today = `Active ${counted(day.active)} = ${day.new} + ${day.returning} + ${day.resurrecting}`
  const words = before
    ? `${today} = ${counted(before.active)} the day before − ${day.dormant} dormant + ${day.new} + ${day.resurrecting}`
    : today
  say(line, words)
}
