/** The panel of one user. Its address is `#user=ID`, so it can be linked to and closed by going back. */

import { chip, deliveryOf, words } from './alerts.js'
import { at, h, s } from './dom.js'
import {
  counted,
  dayName,
  lasting,
  money,
  plural,
  share,
  stamp,
  stateTones,
  stateWords,
  times,
} from './format.js'

const refreshMs = 3_000
let shownAtMs = 0
let setup = { endpoints: 0 }

export function startUser() {
  document.addEventListener('click', event => {
    const opener = event.target.closest('[data-user]')
    if (opener && !getSelection()?.toString())
      location.hash = `user=${encodeURIComponent(opener.dataset.user)}`
  })
  addEventListener('hashchange', follow)
  const dialog = at('user')
  dialog.addEventListener('close', () => {
    if (asked() !== null) history.replaceState(null, '', location.pathname)
  })
  // A click on the backdrop is a click on the dialog itself.
  dialog.addEventListener('click', event => event.target === dialog && dialog.close())
  follow()
}

function asked() {
  return new URLSearchParams(location.hash.slice(1)).get('user')
}

function follow() {
  const userId = asked()
  const dialog = at('user')
  if (userId === null) return dialog.close()
  at('user-body').replaceChildren(head(userId, []), h('p', { class: 'note' }, 'Loading …'))
  if (!dialog.open) dialog.showModal()
  load(userId)
}

/** Called at each message: the open panel keeps up with the page. */
export function refreshUser(newSetup) {
  setup = newSetup
  const userId = asked()
  if (userId !== null && performance.now() - shownAtMs > refreshMs) load(userId)
}

async function load(userId) {
  shownAtMs = performance.now()
  const content = await ask(userId)
  if (asked() !== userId) return
  const body = at('user-body')
  const focused = body.contains(document.activeElement)
  body.replaceChildren(...content)
  if (focused) body.querySelector('button').focus()
}

async function ask(userId) {
  try {
    const response = await fetch(`/api/users/${encodeURIComponent(userId)}`)
    const answer = await response.json()
    if (response.ok) return [head(userId, chips(answer.user)), ...details(answer)]
    return [head(userId, []), h('p', {}, answer.detail)]
  } catch {
    return [head(userId, []), h('p', {}, 'Ebb does not answer. This is tried again by itself.')]
  }
}

function head(userId, badges) {
  const close = h('button', { type: 'button', 'aria-label': 'Close' }, '×')
  close.addEventListener('click', () => at('user').close())
  return h(
    'div',
    {},
    h('div', { class: 'user-head' }, h('h2', { id: 'user-name' }, userId), close),
    h('div', { class: 'chips' }, ...badges),
  )
}

function chips(user) {
  const badges = [chip(stateTones[user.state] ?? '', stateWords[user.state] ?? user.state)]
  if (user.tier === 'high') badges.push(chip('good', 'High value'))
  return [...badges, ...user.segments.map(segment => chip('', segment))]
}

function details({ user, today, days, sessions, alerts }) {
  return [
    rhythm(user, today, days),
    signals(user),
    h('section', {}, h('h3', {}, 'Alerts'), listed(alerts, alertRow, 'None so far.')),
    h('section', {}, h('h3', {}, 'Last sessions'), listed(sessions, sessionRow, 'None yet.')),
  ]
}

/** The last 91 days as bars: his rhythm, and the silence after it. */
function rhythm(user, today, days) {
  const first = today - 90
  const top = Math.max(1, ...days.map(day => Math.sqrt(day.clicks)))
  const bars = days.map(({ day, clicks, money: paid }) => {
    const height = 6 + (34 * Math.sqrt(clicks)) / top
    const kind = paid > 0 ? 'order' : 'visit'
    return s('rect', { class: kind, x: (day - first) * 4 + 0.5, y: 44 - height, width: 3, height })
  })
  const last = days.at(-1)?.day ?? first
  const silence = s('rect', {
    class: 'silence',
    x: (last + 1 - first) * 4,
    y: 0,
    width: Math.max(0, (today - last) * 4),
    height: 44,
  })
  const label = `${days.length} active days of the last 91; the last one was ${today - last} days ago`
  const svg = s(
    'svg',
    { viewBox: '0 0 364 45', preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    silence,
    s('line', { class: 'base', x1: 0, x2: 364, y1: 44.5, y2: 44.5 }),
    ...bars,
  )
  const ends = h(
    'p',
    { class: 'rhythm-ends' },
    h('span', {}, dayName(first)),
    h('span', {}, dayName(today)),
  )
  const quiet = user.quietMs === null ? '' : `, then ${lasting(user.quietMs)} of silence`
  const text = `Active on ${plural(days.length, 'day')} of the last 91${quiet}.`
  const words = h('p', { class: 'note' }, text, h('span', { class: 'key-order' }, 'With an order'))
  return h('section', { class: 'rhythm' }, svg, ends, words)
}

function signals(user) {
  const known = (value, format) => (value === null ? '–' : format(value))
  const figures = {
    'Quiet for': known(user.quietMs, lasting),
    'Usual gap': known(user.usualGapMs, lasting),
    'Silence, in usual gaps': known(user.quietRatio, times),
    'At stake': money(user.moneyAtStake),
    'Value, last 90 days': money(user.value90),
    'Orders, last 90 days': counted(user.orders90),
    'Active days of 7, 28, 90': `${user.activeDays[7]}, ${user.activeDays[28]}, ${user.activeDays[90]}`,
    Sessions: counted(user.sessions),
    'Mean session': known(user.meanSessionMs, lasting),
    'Sessions of one click': known(user.bounceShare, share),
    'First seen': known(user.firstSeenMs, stamp),
    'Last order': known(user.lastPurchaseMs, stamp),
  }
  const pairs = Object.entries(figures).map(([name, text]) =>
    h('div', {}, h('dt', {}, name), h('dd', {}, text)),
  )
  return h('dl', { class: 'signals' }, ...pairs)
}

function listed(items, row, empty) {
  if (items.length === 0) return h('p', { class: 'note' }, empty)
  return h('ol', { class: 'history' }, ...items.map(row))
}

function alertRow(alert) {
  const text = words(alert)
  const sentence = text[0].toUpperCase() + text.slice(1)
  return h(
    'li',
    {},
    h('span', {}, stamp(alert.clockMs)),
    h('span', {}, sentence),
    h('span', {}, ...deliveryOf(alert, setup).slice(-1)),
  )
}

function sessionRow(session) {
  const lasted =
    session.endMs > session.startMs ? lasting(session.endMs - session.startMs) : 'one moment'
  const pages = `${session.clicks} ${session.clicks === 1 ? 'click' : 'clicks'}, ${lasted}`
  const path = [...new Set([session.firstEvent, session.lastEvent])].filter(Boolean).join(' → ')
  const worth = session.money > 0 ? money(session.money) : session.final ? '' : 'still open'
  return h(
    'li',
    {},
    h('span', {}, stamp(session.startMs)),
    h('span', {}, `${path || 'no event name'} · ${pages}`),
    h('span', { class: 'money' }, worth),
  )
}
