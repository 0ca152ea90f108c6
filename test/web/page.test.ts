// biome-ignore-all lint/performance/useDomNodeTextContent: what a viewer sees is what is tested
/**
 * The page in a real browser. Without chromium these tests are skipped, and say so; in CI that is a failure.
 */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, type TestContext, test } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { wallClock } from '../../services/base/time.ts'
import { rowTime } from '../../services/store/rows.ts'
import { type RunningWeb, startWeb } from '../../services/web/app.ts'
import type { Whole } from '../../services/web/live.ts'
import { alertRow } from './news.ts'
import { storeScene } from './scene.ts'
import { clickRow, openShopStore, progressRow, type Shop, shopClockMs } from './shop.ts'

const executablePath = '/usr/bin/chromium'
const hasBrowser = existsSync(executablePath)
if (!hasBrowser && process.env.CI) throw new Error(`CI needs a browser at ${executablePath}`)
const skip = hasBrowser
  ? false
  : `there is no browser at ${executablePath}: the page was NOT tested`

let opened: Awaited<ReturnType<typeof openShopStore>>
let browser: Browser
let shop: Shop

const desktop = { width: 1440, height: 900 }
const phone = { width: 390, height: 844 }

before(async () => {
  if (skip) return
  opened = await openShopStore()
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})

after(async () => {
  await browser?.close()
  await opened?.close()
})

async function serve(t: TestContext, given: { replay: boolean; port?: number }) {
  const logger = { warn: () => {}, error: () => {} }
  const { replay, port = 0 } = given
  const shared = { store: opened.store, project: 'shop', wallClock, logger }
  const web = await startWeb({ ...shared, replay, host: '127.0.0.1', port })
  t.after(() => web.stop())
  return web
}

/** A page whose every complaint (console, exceptions, the content security policy) is collected. */
async function open(
  t: TestContext,
  web: RunningWeb,
  look: { scheme: 'light' | 'dark'; viewport: { width: number; height: number } },
): Promise<{ page: Page; complaints: string[] }> {
  const { scheme, viewport } = look
  const context = await browser.newContext({ viewport, colorScheme: scheme, locale: 'en-GB' })
  t.after(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(String(error)))
  await page.goto(web.url)
  await page.locator('body:not([data-loading])').waitFor()
  return { page, complaints }
}

async function overflow(page: Page): Promise<number> {
  return Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'))
}

test('an empty project says what to do', { skip }, async t => {
  const web = await serve(t, { replay: false })
  const { page, complaints } = await open(t, web, { scheme: 'light', viewport: desktop })
  assert.match(
    await page.locator('#start').innerText(),
    /curl http:\/\/127\.0\.0\.1:4281\/v1\/track/,
  )
  assert.match(await page.locator('#no-endpoint').innerText(), /ebb endpoints add/)
  assert.ok(await page.locator('#no-rule').isVisible())
  assert.ok(await page.locator('#replay').isHidden())
  assert.equal(await overflow(page), 0)
  assert.deepEqual(complaints, [])
})

test('the shop moves in', { skip }, async () => {
  shop = await storeScene(opened.store)
})

for (const scheme of ['light', 'dark'] as const)
  for (const viewport of [desktop, phone])
    test(`the figures, ${scheme}, ${viewport.width} wide`, { skip }, async t => {
      const web = await serve(t, { replay: true })
      const { page, complaints } = await open(t, web, { scheme, viewport })
      const answer = await fetch(`${web.url}/api/snapshot`)
      const snapshot = (await answer.json()) as Whole
      const { slowing, quiet } = snapshot.risk.stages
      const money = Math.round(slowing.money + quiet.money).toLocaleString('en-GB')
      assert.equal(await page.locator('#stake').innerText(), `€${money}`)
      assert.equal(await page.locator('#today').innerText(), String(snapshot.active.today))
      assert.equal(await page.locator('#open').innerText(), String(snapshot.pulse.openSessions))
      assert.equal(await page.locator('#risk-rows tr').count(), 8)
      assert.equal(await page.locator('#triangle tbody tr').count(), 13)
      assert.equal(await page.locator('#alert-rows li').count(), 6)
      assert.equal(await page.locator('#life-identity').getAttribute('data-holds'), 'yes')
      assert.match(await page.locator('#replay').innerText(), /Simulated demo shop/)
      assert.ok(await page.locator('#start').isHidden())
      assert.equal(await overflow(page), 0)
      assert.deepEqual(complaints, [])
    })

test('the last audit, and how long ago it was', { skip }, async t => {
  const auditRow = (hoursAgo: number, kind: string, checked: number, differences: number) => {
    const started_at = rowTime(wallClock() - hoursAgo * 3_600_000 - 90_000)
    return {
      started_at,
      kind,
      checked,
      differences,
      examples: [],
      notes: [],
      finished_at: started_at,
    }
  }
  const web = await serve(t, { replay: true })
  const { page } = await open(t, web, { scheme: 'light', viewport: desktop })
  assert.equal(await page.locator('#audit').innerText(), 'Not audited yet.')
  await opened.store.insert('audits', [
    auditRow(27, 'sessions', 11, 5),
    auditRow(3, 'sessions', 1_234, 0),
    auditRow(3, 'users', 400, 2),
  ])
  const said = 'Audited: 1,234 sessions, 2 differences, 3 h 1 min ago'
  await page.locator('#audit', { hasText: said }).waitFor()
})

test('light and dark are two looks', { skip }, async t => {
  const web = await serve(t, { replay: true })
  const grounds = []
  for (const scheme of ['light', 'dark'] as const) {
    const { page } = await open(t, web, { scheme, viewport: desktop })
    grounds.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
  }
  assert.notEqual(grounds[0], grounds[1])
})

test('new rows arrive without a reload', { skip }, async t => {
  const web = await serve(t, { replay: true })
  const { page, complaints } = await open(t, web, { scheme: 'light', viewport: desktop })
  await page.evaluate('document.body.dataset.same = "yes"')
  const clockMs = shopClockMs + 3_600_000
  await opened.store.insert('clicks', [clickRow('ada.lovelace.0', 'fresh', clockMs)])
  await opened.store.insert('alerts', [
    alertRow({ messageId: 'm9', alertId: 'a9', userId: 'new.one', clockMs }),
  ])
  await opened.store.insert('progress', [progressRow(clockMs, shop.visits.length + 1, 2)])
  const first = page.locator('#alert-rows li').first()
  await first.getByText('new.one').waitFor()
  assert.match(await first.innerText(), /has been quiet for 14 d/)
  await page.locator('#clock').getByText('2026-03-04 13:31').waitFor()
  const kept = `${(shop.visits.length + 1).toLocaleString('en-GB')} clicks kept`
  await page.locator('#rate-note').getByText(kept).waitFor()
  assert.equal(await page.locator('body').getAttribute('data-same'), 'yes')
  assert.deepEqual(complaints, [])
})

test('alerts that wait because clicks are missing are said, and no longer when they go on', {
  skip,
}, async t => {
  const web = await serve(t, { replay: true })
  const { page } = await open(t, web, { scheme: 'light', viewport: desktop })
  const rows = shop.visits.length + 1
  const clockMs = shopClockMs + 3_600_000
  await opened.store.insert('progress', [progressRow(clockMs, rows, 3, 'low intake')])
  await page.locator('#held').getByText('alert timers wait').waitFor()
  await opened.store.insert('progress', [progressRow(clockMs, rows, 4)])
  await page.locator('#held').waitFor({ state: 'hidden' })
})

test('a click on a user opens his detail, Escape closes it', { skip }, async t => {
  const web = await serve(t, { replay: true })
  const { page, complaints } = await open(t, web, { scheme: 'dark', viewport: phone })
  const name = page.locator('#risk-rows .name').first()
  const userId = await name.innerText()
  await name.click()
  await page.locator('#user .signals').waitFor()
  assert.equal(await page.locator('#user-name').innerText(), userId)
  assert.match(page.url(), /#user=/)
  assert.ok((await page.locator('#user .history li').count()) > 0)
  await page.keyboard.press('Escape')
  await page.locator('#user').waitFor({ state: 'hidden' })
  await page.waitForURL(url => url.hash === '')
  assert.deepEqual(complaints, [])
})

test('sorted by money, and by days instead of weeks', { skip }, async t => {
  const web = await serve(t, { replay: true })
  const { page } = await open(t, web, { scheme: 'light', viewport: desktop })
  await page.getByRole('button', { name: 'At stake' }).click()
  assert.equal(await page.locator('th[aria-sort]').innerText(), 'At stake')
  const money = await page.locator('#risk-rows td.money').allInnerTexts()
  const amounts = money.map(text => Number(text.replace(/\D/g, '')))
  assert.deepEqual(
    amounts,
    amounts.toSorted((a, b) => b - a),
  )
  await page.getByLabel('Days').check()
  assert.match(await page.locator('#triangle thead').innerText(), /Day 1/)
})

test('a lost connection is said, and mended without a reload', { skip }, async t => {
  const web = await serve(t, { replay: true })
  const { page } = await open(t, web, { scheme: 'light', viewport: desktop })
  await web.stop()
  await page.locator('#connection[data-state=lost]').waitFor()
  assert.match(await page.locator('#toast').innerText(), /connection to Ebb is lost/)
  await serve(t, { replay: true, port: Number(new URL(web.url).port) })
  await page.locator('#connection[data-state=live]').waitFor()
  await page.locator('#toast').waitFor({ state: 'hidden' })
})
