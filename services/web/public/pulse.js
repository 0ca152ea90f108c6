/** Clicks a second, open sessions, active users, and the state of the processor. */

import { at, count, h, say } from './dom.js'
import { counted, lasting, plural, rate, share, stamp } from './format.js'

const pointsMax = 90
/** Fewer points than these do not fill the width. */
const pointsFew = 24
let openSeen = []

export function showPulse(pulse) {
  if (pulse.clicksPerSecond === null) say(at('rate'), '–')
  else count(at('rate'), pulse.clicksPerSecond, rate)
  spark(at('rate-spark'), pulse.recent)
  say(at('rate-note'), `${perHour(pulse)}${plural(pulse.clicks, 'click')} kept so far`)
  count(at('open'), pulse.openSessions, counted)
  openSeen = [...openSeen, pulse.openSessions].slice(-pointsMax)
  spark(at('open-spark'), openSeen)
}

/** A replay's clock runs faster than ours: the same rate by the project clock. */
function perHour({ clicksPerSecond, speed }) {
  if (clicksPerSecond === null || speed === null || speed < 2) return ''
  return `${counted((clicksPerSecond / speed) * 3600)} an hour by the project clock; `
}

/** Also used for the days of the lifecycle. */
export function spark(svg, values) {
  const top = Math.max(...values, 1)
  const apart = (pointsMax - 1) / Math.max(pointsFew, values.length - 1)
  const first = pointsMax - 1 - (values.length - 1) * apart
  const points = values.map(
    (value, n) => `${(first + n * apart).toFixed(1)} ${(29 - (27 * value) / top).toFixed(1)}`,
  )
  const line = points.length > 1 ? `M${points.join('L')}` : ''
  svg.querySelector('.line').setAttribute('d', line)
  svg.querySelector('.area').setAttribute('d', line && `${line}L${pointsMax - 1} 30L${first} 30Z`)
}

export function showActive(active) {
  count(at('today'), active.today, counted)
  count(at('week'), active.week, counted)
  count(at('month'), active.month, counted)
  if (active.stickiness === null) say(at('sticky'), '–')
  else count(at('sticky'), active.stickiness, share)
}

/** Why alerts wait: what a team must know before it trusts a quiet day. */
const heldWords = {
  import: 'History is being imported: alert timers wait until the project is live (ebb live).',
  hole: 'No click could come in for a while: alert timers wait until trackers have caught up. Sessions go on.',
  'low intake':
    'Far fewer clicks than usual at this hour: alert timers wait, as it is clicks that are missing rather than users. Sessions go on.',
}

function showHeld(partitions) {
  const held = partitions.find(one => one.held !== '')?.held
  at('held').hidden = held === undefined
  if (held !== undefined) say(at('held'), heldWords[held])
}

export function showHealth(health, pulse) {
  showHeld(health.partitions)
  const records = plural(pulse.records, 'record')
  const moved = pulse.stillMs < 2_000 ? 'moving' : `last moved ${lasting(pulse.stillMs)} ago`
  say(
    at('freshness'),
    pulse.clockMs === null ? 'Waiting for the first record.' : `${records} read, ${moved}`,
  )
  const furthest = Math.max(...health.partitions.map(one => one.clockMs ?? 0))
  at('partitions').replaceChildren(...health.partitions.map(one => partition(one, furthest)))
  const rejects = health.rejects.map(({ kind, reason, count: number }) =>
    h('li', {}, `${counted(number)} ${kind}${reason && reason !== kind ? `: ${reason}` : ''}`),
  )
  if (rejects.length === 0) rejects.push(h('li', {}, 'Nothing so far'))
  at('rejects').replaceChildren(...rejects)
  say(at('audit'), auditWords(health.audit))
}

function auditWords(audit) {
  if (!audit) return 'Not audited yet.'
  const ago = audit.agoMs < 60_000 ? 'just now' : `${lasting(audit.agoMs)} ago`
  return `Audited: ${plural(audit.sessions, 'session')}, ${plural(audit.differences, 'difference')}, ${ago}`
}

function partition({ partition: number, nextOffset, clockMs }, furthest) {
  const behindMs = clockMs === null ? 0 : furthest - clockMs
  const behind = behindMs > 60_000 ? `, ${lasting(behindMs)} behind` : ''
  const title = clockMs === null ? 'no clock yet' : `clock ${stamp(clockMs)}`
  return h('li', { title }, `Partition ${number}: ${counted(nextOffset)}${behind}`)
}
