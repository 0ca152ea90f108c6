/** The two real files of the handbook; they are no part of the project, so without them this is skipped, loudly. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { partitionOf } from '../../services/base/slot.ts'
import { parseSegment } from '../../services/log/segment.ts'
import { folder, importInto, openProject, print } from './fixture.ts'

const data = new URL('../../../shared/data/', import.meta.url).pathname
const clicksFile = `${data}retentioneering_ecom.csv.gz`
const ordersFile = `${data}uci_online_retail.csv.gz`
const missing = [clicksFile, ordersFile].find(path => !existsSync(path))
const skip = missing === undefined ? false : `NOT TESTED ON REAL INPUT: ${missing} is not there`
if (skip) process.stderr.write(`${skip}\n`)

const ordersMapping = {
  user: 'CustomerID',
  time: 'InvoiceDate',
  event: 'Order Completed',
  order: 'InvoiceNo',
  refundPrefix: 'C',
  value: 'Quantity*UnitPrice',
  property: ['Country'],
}

const sources = {
  clicks: [clicksFile, { user: 'user_id' }],
  orders: [ordersFile, ordersMapping],
} as const

/** Printed once for all tests; with little memory, so that the orders are sorted on the disk. */
const printed = new Map<string, ReturnType<typeof print>>()
function printOnce(t: TestContext, name: keyof typeof sources): ReturnType<typeof print> {
  const [path, mapping] = sources[name]
  const memory = { temporaryDirectory: folder(t), sortMemoryBytesMax: 4 * 1024 * 1024 }
  const result = printed.get(name) ?? print(path, mapping, memory)
  printed.set(name, result)
  return result
}

for (const name of ['clicks', 'orders'] as const)
  test(`${name}: each line of --print is the record on the log, by partition`, {
    skip,
  }, async t => {
    const { lines } = await printOnce(t, name)
    const [path, mapping] = sources[name]
    const project = await openProject(t)
    await importInto(project.target, path, mapping, { sortMemoryBytesMax: 1024 ** 3 })
    const clicks = lines.map(line => parseSegment(JSON.parse(line)))
    const byPartition = [0, 1, 2, 3].map(partition =>
      clicks.filter(click => 'userId' in click && partitionOf(click.userId, 4) === partition),
    )
    assert.deepEqual(await project.contents(), byPartition)
  })

test('clicks: all rows, twins too, in order of time, in 3,605 sessions', { skip }, async t => {
  const { lines, summary } = await printOnce(t, 'clicks')
  const clicks = lines.map(line => JSON.parse(line))
  assert.equal(clicks.length, 31_106)
  assert.deepEqual(summary.counts.dead, new Map())
  assert.equal(new Set(clicks.map(click => click.messageId)).size, 31_106)
  assert.ok(clicks.every((click, at) => at === 0 || click.timestamp >= clicks[at - 1].timestamp))
  const sessionOf = new Map<string, { last: number; name: string }>()
  let sessions = 0
  for (const { userId, timestamp, properties } of clicks) {
    const open = sessionOf.get(userId)
    const isSame = open !== undefined && timestamp - open.last <= 1_800_000
    if (!isSame) sessions++
    else assert.equal(properties.session_id, open.name)
    sessionOf.set(userId, { last: timestamp, name: properties.session_id })
  }
  assert.equal(sessions, 3605)
})

test('orders: the figures of the data, and of definitions.md', { skip }, async t => {
  const { lines, summary, rejected } = await printOnce(t, 'orders')
  const { counts } = summary
  assert.equal(counts.rows, 541_909)
  assert.deepEqual(counts.dead, new Map([['user', 135_080]]))
  assert.equal(rejected.length, 135_080)
  assert.deepEqual([counts.orders, counts.orderRows], [22_190, 406_829])
  assert.deepEqual([counts.money['refund by prefix'], counts.money['refund by sign']], [3654, 0])
  const clicks = lines.map(line => JSON.parse(line))
  const purchases = clicks.filter(click => click.event === 'Order Completed')
  assert.equal(new Set(purchases.map(click => click.userId)).size, 4339)
  const total = (all: typeof clicks) =>
    all.reduce((sum, { properties }) => sum + Math.round(properties.revenue * 10_000), 0) / 10_000
  assert.equal(total(purchases), 8_911_407.904)
  assert.equal(total(clicks.filter(click => click.event === 'Order Refunded')), 611_342.09)
  assert.equal(purchases[0].userId, '17850.0')
  assert.equal(purchases[0].properties.revenue, 139.12)
})
