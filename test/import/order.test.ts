import assert from 'node:assert/strict'
import { test } from 'node:test'
import { add, multiply, parseDecimal, toNumber } from '../../services/collector/import/decimal.ts'
import { file, picked, print } from './fixture.ts'

const shop = {
  user: 'customer',
  time: 'at',
  event: 'Order Completed',
  order: 'invoice',
  value: 'quantity*price',
  refundPrefix: 'C',
}
const header = 'invoice,customer,at,quantity,price,country'

function csv(...rows: string[]): string {
  return `${[header, ...rows].join('\n')}\n`
}

test('the rows of one order are one click: sum, earliest time, first user, first properties', async t => {
  const path = file(
    t,
    'a.csv',
    csv(
      '1,anna,2024-01-01 10:05,3,0.1,FR',
      '2,berta,2024-01-01 09:00,1,5,DE',
      '1,anna,2024-01-01 10:00,1,0.2,DE',
      '1,anna,2024-01-01 10:09,1,0,DE',
    ),
  )
  const { lines, summary } = await print(path, shop)
  assert.deepEqual(picked(lines, 'messageId', 'userId', 'timestamp', 'properties'), [
    [
      'order:2',
      'berta',
      Date.parse('2024-01-01T09:00Z'),
      { country: 'DE', order_id: '2', items: 1, revenue: 5 },
    ],
    [
      'order:1',
      'anna',
      Date.parse('2024-01-01T10:00Z'),
      { country: 'FR', order_id: '1', items: 3, revenue: 0.5 },
    ],
  ])
  assert.equal(summary.counts.orders, 2)
  assert.equal(summary.counts.orderRows, 4)
})

test('an order may lie in several files', async t => {
  const a = file(t, 'a.csv', csv('1,anna,2024-01-01 10:00,1,1.10,FR'))
  const b = file(t, 'b.csv', csv('1,anna,2024-01-01 10:00,1,2.20,FR'))
  const { lines } = await print([a, b], shop)
  assert.equal(lines.length, 1)
  assert.equal(JSON.parse(lines[0]!).properties.revenue, 3.3)
})

test('a cancellation is a refund of the positive amount', async t => {
  const { lines, summary } = await print(
    file(t, 'a.csv', csv('C7,anna,2024-01-01,-2,1.5,FR')),
    shop,
  )
  assert.deepEqual(picked(lines, 'event'), [['Order Refunded']])
  assert.equal(JSON.parse(lines[0]!).properties.revenue, 3)
  assert.equal(summary.counts.money['refund by prefix'], 1)
})

test('a purchase with a negative amount is a refund too, and counted apart', async t => {
  const { lines, summary } = await print(file(t, 'a.csv', csv('7,anna,2024-01-01,-2,1.5,FR')), shop)
  assert.deepEqual(picked(lines, 'event'), [['Order Refunded']])
  assert.equal(JSON.parse(lines[0]!).properties.revenue, 3)
  assert.equal(summary.counts.money['refund by sign'], 1)
})

test('a column named revenue is the amount, unless another is named', async t => {
  const path = file(t, 'a.csv', 'userId,timestamp,event,revenue\nanna,2024-01-01,purchase,12.50\n')
  const { lines } = await print(path)
  assert.deepEqual(picked(lines, 'properties'), [[{ revenue: 12.5 }]])
})

test('what is no purchase keeps its name and its negative amount', async t => {
  const path = file(t, 'a.csv', 'userId,timestamp,event,score\nanna,2024-01-01,Played,-3\n')
  const { lines, summary } = await print(path, { value: 'score' })
  assert.deepEqual(picked(lines, 'event', 'properties'), [['Played', { revenue: -3 }]])
  assert.equal(summary.counts.money.negative, 1)
})

test('a row without an order stays a click of its own', async t => {
  const path = file(
    t,
    'a.csv',
    csv(',anna,2024-01-01 10:00,1,1,FR', ',anna,2024-01-01 10:00,1,1,FR'),
  )
  const { lines } = await print(path, shop)
  assert.equal(new Set(lines).size, 2)
})

test('a bad row is left out of its order', async t => {
  const path = file(
    t,
    'a.csv',
    csv('1,anna,2024-01-01,x,1,FR', '1,anna,2024-01-01,2,"1,50",FR', '1,anna,2024-01-01,2,4,FR'),
  )
  const { lines, rejected } = await print(path, shop)
  assert.deepEqual(
    rejected.map(row => [row.line, row.reason]),
    [
      [2, 'value'],
      [3, 'value'],
    ],
  )
  assert.equal(JSON.parse(lines[0]!).properties.revenue, 8)
})

test('an order of two users is the first row’s, and counted', async t => {
  const path = file(t, 'a.csv', csv('1,anna,2024-01-02,1,1,FR', '1,berta,2024-01-01,1,1,FR'))
  const { lines, summary } = await print(path, shop)
  assert.deepEqual(picked(lines, 'userId'), [['anna']])
  assert.equal(summary.counts.mixedOrders, 1)
})

test('amounts are exact until the end', () => {
  const sum = ['0.1', '0.2', '-.05', '1e2', '12345678901234567890.25', '-12345678901234567890']
    .map(text => parseDecimal(text)!)
    .reduce(add)
  assert.equal(toNumber(sum), 100.5)
  assert.equal(toNumber(multiply(parseDecimal('80995')!, parseDecimal('2.08')!)), 168469.6)
  for (const text of [
    '',
    '.',
    '1,5',
    '1 000',
    '€5',
    'NaN',
    'Infinity',
    '0x10',
    '1e999',
    '9'.repeat(40),
  ])
    assert.equal(parseDecimal(text), undefined, text)
})
