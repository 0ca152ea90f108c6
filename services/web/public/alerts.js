/** Alerts as sentences, with what became of their delivery. */

import { at, h, keep, say } from './dom.js'
import { lasting, money, stamp } from './format.js'

let first = true

export function showAlerts(alerts, setup) {
  const list = at('alert-rows')
  const known = new Set([...list.children].map(row => row.dataset.message))
  keep(list, alerts, {
    key: alert => alert.messageId,
    make: makeRow,
    update: (row, alert) => updateRow(row, alert, setup),
  })
  const fresh = alerts.filter(alert => !first && !known.has(alert.messageId))
  for (const row of list.children)
    if (fresh.some(alert => alert.messageId === row.dataset.message)) row.classList.add('fresh')
  if (fresh[0]) say(at('news'), `${fresh[0].userId} ${words(fresh[0])}`)
  first = false
  at('no-endpoint').hidden = setup.endpoints > 0
  at('no-rule').hidden = setup.rules > 0
  at('alerts-empty').hidden = alerts.length > 0 || setup.rules === 0
}

function makeRow(alert) {
  const user = h(
    'button',
    { type: 'button', class: 'name', 'data-user': alert.userId },
    alert.userId,
  )
  return h(
    'li',
    { 'data-message': alert.messageId },
    h(
      'time',
      { class: 'alert-time', datetime: new Date(alert.clockMs).toISOString() },
      stamp(alert.clockMs),
    ),
    h(
      'div',
      { class: 'alert-what', 'data-tone': tones[alert.status] },
      user,
      ` ${words(alert)} `,
      h('span', { class: 'alert-rule' }, alert.ruleId),
    ),
    h('span', { class: 'money' }, money(alert.money)),
    h('div', { class: 'delivery' }),
  )
}

function updateRow(row, alert, setup) {
  say(row.querySelector('.money'), money(alert.money))
  const text = JSON.stringify([alert.deliveries, setup.endpoints > 0])
  if (row.dataset.delivery === text) return
  row.dataset.delivery = text
  row.querySelector('.delivery').replaceChildren(...deliveryOf(alert, setup))
}

const tones = { fired: 'bad', resolved: 'good' }

const silent = {
  stale: ', noticed too late to be sent',
  held_out: ', in the control group',
  suppressed: ', within the cooldown',
}

/** What happened, after the user's name. */
export function words(alert) {
  const [silence, end] = alert.ofPurchases
    ? ['has bought nothing', 'bought again']
    : ['has been quiet', 'came back']
  if (alert.status === 'resolved')
    return alert.reason === 'late'
      ? 'was here in time: the click came late'
      : `${end} after ${lasting(alert.clockMs - alert.sinceMs)}`
  if (alert.status === 'cancelled') return 'is no longer watched: the rule is gone'
  return `${silence} for ${lasting(alert.thresholdMs)}${silent[alert.status] ?? ''}`
}

const deliveries = {
  delivered: ['good', 'Delivered'],
  retrying: ['warn', 'Trying again'],
  pending: ['warn', 'On its way'],
  dead: ['bad', 'Given up'],
  stale: ['', 'Too old to send'],
  cancelled: ['', 'Cancelled'],
}

export function deliveryOf(alert, setup) {
  if (!alert.send) return [chip('', 'Recorded, not sent')]
  if (alert.deliveries.length === 0)
    return [setup.endpoints > 0 ? chip('warn', 'On its way') : chip('', 'No endpoint')]
  return alert.deliveries.flatMap(delivery => {
    const [tone, word] = deliveries[delivery.status] ?? ['', delivery.status]
    const tries = delivery.attempts > 1 ? `, attempt ${delivery.attempts}` : ''
    const code = delivery.attempts > 0 ? ` · ${delivery.code || 'no answer'}` : ''
    return [h('span', {}, `${delivery.endpoint}${code}`), chip(tone, `${word}${tries}`)]
  })
}

export function chip(tone, text) {
  return h('span', { class: 'chip', 'data-tone': tone }, text)
}
