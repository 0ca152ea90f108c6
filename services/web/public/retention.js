/** The retention triangle: a table with its numbers in the cells; colour only repeats them. */

import { at, glow, h } from './dom.js'
import { counted, dayName, share } from './format.js'

let retention = null
let unit = 'day'
let chosen = false
/** What each cell said last, by unit, cohort and step: a cell that changed glows. */
const said = new Map()

export function startRetention() {
  for (const radio of document.querySelectorAll('input[name=unit]'))
    radio.addEventListener('change', () => {
      unit = radio.value
      chosen = true
      draw()
    })
}

export function showRetention(update) {
  retention = update
  // Weeks say more once there are some; what a viewer chose stays.
  if (!chosen) unit = update.week.cohorts.length >= 5 ? 'week' : 'day'
  document.querySelector(`input[name=unit][value=${unit}]`).checked = true
  draw()
}

function draw() {
  if (!retention) return
  const triangle = retention[unit]
  const steps = triangle.mean.length
  at('triangle-empty').hidden = triangle.cohorts.length > 0
  at('triangle').hidden = triangle.cohorts.length === 0
  const complete = triangle.cohorts.flatMap(cohort => cohort.cells.filter(cell => cell.complete))
  const shares = complete.map(cell => cell.share)
  const scale = { low: Math.min(...shares, 1), high: Math.max(...shares, 0.01) }
  const word = unit === 'day' ? 'Day' : 'Week'
  const heads = Array.from({ length: steps }, (_, n) =>
    h('th', { scope: 'col' }, n === 0 ? `${word} 1` : String(n + 1)),
  )
  const changed = []
  const rows = triangle.cohorts.map(cohort => cohortRow(cohort, steps, scale, changed))
  at('triangle').replaceChildren(
    h(
      'caption',
      { class: 'unseen' },
      `Share of each ${unit}'s new users who came back, by ${unit}`,
    ),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'First seen'),
        h('th', { scope: 'col' }, 'Users'),
        ...heads,
      ),
    ),
    h('tbody', {}, meanRow(triangle), ...rows),
  )
  for (const cell of changed) glow(cell)
}

function meanRow(triangle) {
  const cells = triangle.mean.map(value => h('td', {}, value === null ? '' : share(value)))
  const size = triangle.cohorts.reduce((sum, cohort) => sum + cohort.size, 0)
  const head = h('th', { scope: 'row' }, 'Weighted mean')
  return h('tr', { class: 'mean' }, head, h('td', { class: 'size' }, counted(size)), ...cells)
}

function cohortRow(cohort, steps, scale, changed) {
  const key = `${unit}/${cohort.day}`
  const size = h('td', { class: 'size' }, counted(cohort.size))
  const cells = cohort.cells.map((cell, n) => {
    const td = cellOf(cell, cohort.size, scale)
    remember(`${key}/${n}`, td, changed)
    return td
  })
  remember(key, size, changed)
  const rest = Array.from({ length: steps - cells.length }, () => h('td'))
  return h('tr', {}, h('th', { scope: 'row' }, dayName(cohort.day)), size, ...cells, ...rest)
}

function cellOf(cell, size, { low, high }) {
  const words = `${counted(cell.users)} of ${counted(size)}${cell.complete ? '' : ', still running'}`
  if (size === 0) return h('td', { title: 'nobody new' }, '–')
  const td = h('td', { class: cell.complete ? 'cell' : 'running', title: words }, share(cell.share))
  if (!cell.complete) td.append(h('span', { class: 'unseen' }, ' so far'))
  const heat = (cell.share - low) / Math.max(0.05, high - low)
  td.style.setProperty('--heat', String(Math.min(1, Math.max(0, heat))))
  return td
}

function remember(key, cell, changed) {
  const text = cell.textContent
  if (said.has(key) && said.get(key) !== text) changed.push(cell)
  said.set(key, text)
}
