/** The first thing to see: what is at stake, and who is going quiet. */

import { projectNow } from './clock.js'
import { at, count, h, keep, say } from './dom.js'
import {
  counted,
  growing,
  lasting,
  money,
  plural,
  stateTones,
  stateWords,
  times,
} from './format.js'

const shownMax = 8
/** The gauge is logarithmic, from 1 to 32 usual gaps: early silences need the room, late ones are lost. */
const gaugeOf = ratio => Math.min(1, Math.max(0.02, Math.log2(ratio) / 5))
const orders = {
  overdue: (a, b) => b.overdue - a.overdue,
  quiet: (a, b) => a.sinceMs - b.sinceMs,
  money: (a, b) => b.money - a.money,
}

let users = []
let order = 'overdue'
let all = false

export function startRisk() {
  for (const button of document.querySelectorAll('[data-sort]'))
    button.addEventListener('click', () => {
      order = button.dataset.sort
      list()
    })
  at('risk-more').addEventListener('click', () => {
    all = !all
    list()
  })
}

export function showRisk(risk, hasClicks) {
  const { slowing, quiet, inRhythm } = risk.stages
  const atRisk = slowing.users + quiet.users
  const high = atRisk + inRhythm.users
  count(at('stake'), slowing.money + quiet.money, money)
  say(at('stake-words'), stakeWords(atRisk, high))
  count(at('back-money'), risk.cameBack.money, money)
  say(at('back-users'), `${plural(risk.cameBack.users, 'user')}, 30 days`)
  document.title = `${money(slowing.money + quiet.money)} at stake · Ebb`
  showTide(risk.stages, high)
  users = risk.users
  at('risk-empty').hidden = users.length > 0
  say(at('risk-empty'), emptyWords(high, hasClicks))
  list()
}

function stakeWords(atRisk, high) {
  if (high === 0) return 'No high-value users known yet.'
  if (atRisk === 0) return `All ${counted(high)} high-value users keep their rhythm.`
  const have = atRisk === 1 ? 'has' : 'have'
  return `${counted(atRisk)} of ${plural(high, 'high-value user')} ${have} been silent for longer than usual.`
}

function emptyWords(high, hasClicks) {
  if (high > 0) return 'Nobody is at risk: every high-value user keeps his rhythm.'
  if (hasClicks)
    return 'No high-value users yet. They come with purchases: events named Order Completed that carry a value.'
  return 'Nobody is here yet. High-value users who go quiet will be listed here, the most overdue first.'
}

function showTide(stages, high) {
  at('tide').toggleAttribute('data-known', high > 0)
  for (const [name, total] of Object.entries(stages)) {
    const bar = document.querySelector(`.tide-bar [data-stage=${name}]`)
    bar.style.flexGrow = high > 0 ? String(Math.max(total.money, 0.001)) : '1'
    const figure = document.querySelector(`.tide-legend [data-stage=${name}] dd`)
    say(figure, high > 0 ? `${money(total.money)} · ${plural(total.users, 'user')}` : '–')
  }
}

function list() {
  for (const button of document.querySelectorAll('[data-sort]')) {
    const head = button.closest('th')
    if (button.dataset.sort === order) head.setAttribute('aria-sort', 'descending')
    else head.removeAttribute('aria-sort')
  }
  const sorted = users.toSorted(orders[order])
  const shown = all ? sorted : sorted.slice(0, shownMax)
  const body = at('risk-rows')
  keep(body, shown, { key: user => user.userId, make: makeRow, update: updateRow })
  const more = at('risk-more')
  more.hidden = users.length <= shownMax
  say(more, all ? 'Show fewer' : `Show all ${counted(users.length)}`)
}

function makeRow(user) {
  const cell = (className, ...children) => h('td', { class: className }, ...children)
  const open = h('button', { type: 'button', class: 'name', 'data-user': user.userId }, user.userId)
  const track = h(
    'span',
    { class: 'gauge-track', 'aria-hidden': true },
    h('i', { class: 'gauge-fill' }),
  )
  return h(
    'tr',
    { 'data-user': user.userId },
    cell('user-cell', open),
    cell('gauge-cell', h('div', { class: 'gauge' }, track, h('span', { class: 'gauge-times' }))),
    cell('number quiet-cell', h('span', { class: 'quiet-for' })),
    cell('number dim gap-cell'),
    cell('number money'),
    cell('state-cell', h('span', { class: 'chip' })),
  )
}

function updateRow(row, user) {
  row.user = user
  const [, , , gap, stake, state] = row.cells
  say(gap, user.usualGapMs === null ? 'not known' : lasting(user.usualGapMs))
  say(stake, money(user.money))
  say(state.firstChild, stateWords[user.state] ?? user.state)
  state.firstChild.dataset.tone = stateTones[user.state] ?? ''
  tickRow(row)
}

function tickRow(row) {
  const { sinceMs, usualGapMs, overdue } = row.user
  const quietMs = projectNow() - sinceMs
  const ratio = usualGapMs === null ? overdue : quietMs / usualGapMs
  row.dataset.stage = ratio > 3 ? 'quiet' : 'slowing'
  row.style.setProperty('--fill', String(gaugeOf(ratio)))
  say(row.querySelector('.gauge-times'), times(ratio))
  say(row.querySelector('.quiet-for'), growing(quietMs))
}

/** Called between two messages: silences grow. */
export function tickRisk() {
  for (const row of at('risk-rows').children) tickRow(row)
}
