import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chanceOf, wholeBetween } from '../../services/demo/chance.ts'
import { castNames } from '../../services/demo/names.ts'
import { createShop } from '../../services/demo/shop.ts'
import { encodeRecord } from '../../services/log/codec.ts'

const dayMs = 86_400_000
const openMs = Date.UTC(2025, 8, 1)
const storyMs = openMs + 35 * dayMs
const shopOf = (seed = 7) => createShop({ seed, openMs, storyMs })
const shop = shopOf()
const history = shop.clicksBetween(openMs, storyMs)
const days = 12
const story = shop.clicksBetween(storyMs, storyMs + days * dayMs)

test('the same seed gives the same clicks, another seed others', () => {
  const [fromMs, untilMs] = [storyMs, storyMs + dayMs]
  const clicks = shop.clicksBetween(fromMs, untilMs)
  assert.deepEqual(shopOf().clicksBetween(fromMs, untilMs), clicks)
  assert.notDeepEqual(shopOf(8).clicksBetween(fromMs, untilMs), clicks)
})

test('the clicks do not depend on how the time is cut into pieces', () => {
  const chance = chanceOf('cuts')
  const pieces = []
  for (let fromMs = storyMs; fromMs < storyMs + days * dayMs; ) {
    const lengthMs = 1 + Math.floor(10 ** wholeBetween(chance, 3, 7) * 30 * chance())
    const untilMs = Math.min(storyMs + days * dayMs, fromMs + lengthMs)
    pieces.push(...shop.clicksBetween(fromMs, untilMs))
    fromMs = untilMs
  }
  assert.deepEqual(pieces, story)
})

test('clicks come in order of time, each with an id of its own, and the log takes them', () => {
  const clicks = [...history, ...story]
  const ids = new Set(clicks.map(({ eventId }) => eventId))
  assert.equal(ids.size, clicks.length)
  clicks.forEach((click, index) => {
    assert.ok(index === 0 || click.timestampMs >= clicks[index - 1]!.timestampMs)
    encodeRecord(click)
  })
})

test('some 700 people make 2,000 to 3,000 clicks a day, and say that they are simulated', () => {
  const people = new Set(history.map(({ userId }) => userId)).size
  assert.ok(people > 630 && people < 770, `${people} people`)
  const perDay = story.length / days
  assert.ok(perDay > 2_000 && perDay < 3_000, `${perDay} clicks a day`)
  for (const { context } of story) assert.equal(JSON.parse(context).simulated, true)
})

test('the first of the cast spend the most, fall silent for days, and come back with an order', () => {
  const spent = new Map<string, number>()
  for (const { userId, value, name } of history)
    if (name === 'Order Completed') spent.set(userId, (spent.get(userId) ?? 0) + value!)
  const paying = [...spent.values()].sort((left, right) => right - left)
  for (const [index, lastsDays] of [4.7, 8.1, 4.5].entries()) {
    const userId = castNames[index]!
    assert.ok(spent.get(userId)! >= paying[Math.floor(paying.length * 0.2)]!, userId)
    const own = [...history, ...story].filter(
      click => click.userId === userId && click.name !== 'Order Refunded',
    )
    const gaps = own.slice(1).map((click, at) => click.timestampMs - own[at]!.timestampMs)
    const longest = gaps.indexOf(Math.max(...gaps))
    assert.ok(Math.abs(gaps[longest]! / dayMs - lastsDays) < 0.05, `${gaps[longest]! / dayMs} days`)
    const back = own.slice(longest + 1, longest + 40).map(({ name }) => name)
    assert.ok(back.includes('Order Completed'))
  }
})

test('an endless shop: months later the cast still goes quiet and comes back', () => {
  const monthsMs = storyMs + 120 * dayMs
  const later = shop.clicksBetween(monthsMs - 3 * dayMs, monthsMs + 18 * dayMs)
  const lastSeen = new Map<string, number>()
  const quiet = new Set<string>()
  for (const { userId, timestampMs, name } of later) {
    if (name === 'Order Refunded') continue
    if (timestampMs - (lastSeen.get(userId) ?? timestampMs) > 3 * dayMs) quiet.add(userId)
    lastSeen.set(userId, timestampMs)
  }
  const cast = castNames.filter(userId => quiet.has(userId))
  assert.ok(cast.length >= 4, cast.join(', '))
})
