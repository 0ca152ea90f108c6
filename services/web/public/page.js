/** The page: holds the newest sections and hands each to its part. Everything it shows comes by /api/live. */

import { showAlerts } from './alerts.js'
import { projectNow, setClock } from './clock.js'
import { at, say } from './dom.js'
import { counted, minute, useCurrency } from './format.js'
import { showLifecycle, startLifecycle } from './lifecycle.js'
import { showActive, showHealth, showPulse } from './pulse.js'
import { showRetention, startRetention } from './retention.js'
import { showRisk, startRisk, tickRisk } from './risk.js'
import { connect } from './stream.js'
import { refreshUser, startUser } from './user.js'

const replay = document.documentElement.dataset.mode === 'replay'
let page = {}
let connection = 'connecting'

/** A section that could not be read yet is missing: its part of the page waits, the others do not. */
function update(sections) {
  page = { ...page, ...sections }
  showTrouble()
  const { pulse, setup, risk, alerts, health } = page
  if (!pulse || !setup) return
  useCurrency(setup.currency)
  if (sections.pulse) {
    if (pulse.clockMs !== null) setClock(pulse.clockMs, pulse.speed ?? 0)
    showPulse(pulse)
  }
  if (risk && (sections.risk || sections.setup)) showRisk(risk, pulse.clicks > 0)
  if (sections.active) showActive(sections.active)
  if (sections.lifecycle) showLifecycle(sections.lifecycle)
  if (sections.retention) showRetention(sections.retention)
  if (alerts && (sections.alerts || sections.setup)) showAlerts(alerts, setup)
  if (health && (sections.health || sections.pulse)) showHealth(health, pulse)
  at('start').hidden = pulse.clockMs !== null || pulse.clicks > 0
  refreshUser(setup)
  tick()
  document.body.removeAttribute('data-loading')
}

function setConnection(name) {
  connection = name
  const pill = at('connection')
  pill.dataset.state = name
  say(pill.querySelector('span'), name === 'live' ? 'Live' : 'Reconnecting')
  showTrouble()
}

function showTrouble() {
  const since = page.pulse?.clockMs
    ? ` The figures are from ${minute(page.pulse.clockMs)}, project clock.`
    : ''
  const words =
    connection === 'lost'
      ? `The connection to Ebb is lost; trying again.${since}`
      : page.trouble
        ? 'Some figures could not be read just now; trying again.'
        : ''
  at('toast').hidden = words === ''
  say(at('toast'), words)
}

/** The speed of a replay to one digit: it is measured, and would flicker. */
function speedWords(speed) {
  if (!speed) return 'its own pace'
  const digits = 10 ** Math.floor(Math.log10(speed))
  return speed < 1.5 ? 'the pace of life' : `about ${counted(Math.round(speed / digits) * digits)}×`
}

function tick() {
  if (!page.pulse) return
  const { clockMs, speed } = page.pulse
  const time = clockMs === null ? 'not started' : minute(projectNow())
  say(at('clock'), clockMs === null ? time : `${time} UTC`)
  if (replay) {
    say(at('replay-clock'), time)
    say(at('replay-speed'), speedWords(speed))
  }
  tickRisk()
}

function startCopying() {
  document.addEventListener('click', async event => {
    const button = event.target.closest('[data-copy]')
    if (!button) return
    await navigator.clipboard.writeText(at(button.dataset.copy).textContent)
    say(button, 'Copied')
    setTimeout(() => say(button, 'Copy'), 1_600)
  })
}

startRisk()
startLifecycle()
startRetention()
startUser()
startCopying()
setInterval(tick, 250)
connect({ update, state: setConnection })
