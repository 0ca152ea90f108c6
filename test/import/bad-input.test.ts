import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { file, folder, importInto, openProject, picked, print } from './fixture.ts'

const at = '2024-03-13T10:21:14Z'

/** `line: reason` of what was rejected. */
async function reasons(...args: Parameters<typeof print>): Promise<string[]> {
  const { rejected } = await print(...args)
  return rejected.map(row => `${row.line}: ${row.reason}`)
}

test('bad lines of NDJSON are reported with line and reason, and the good ones kept', async t => {
  const lines = [
    JSON.stringify({ userId: 'anna', event: 'home', timestamp: at }),
    '{"userId":"anna"',
    '[1]',
    'null',
    JSON.stringify({ event: 'home', timestamp: at }),
    JSON.stringify({ userId: 7, timestamp: at }),
    JSON.stringify({ userId: 'anna' }),
    JSON.stringify({ userId: 'anna', timestamp: 1710325274 }),
    JSON.stringify({ userId: 'anna', timestamp: '1969-07-20T20:17:00Z' }),
    JSON.stringify({ userId: 'anna', timestamp: '2101-01-01T00:00:00Z' }),
    JSON.stringify({ userId: 'anna', timestamp: at, properties: 'x' }),
    JSON.stringify({ userId: 'anna', timestamp: at, type: 'click' }),
    JSON.stringify({ userId: 'anna', timestamp: at, messageId: 5 }),
    '{"userId":"\\ud800","timestamp":1710325274000}',
    '{"userId":"anna","timestamp":1710325274000,"properties":{"__proto__":{"admin":true}}}',
    JSON.stringify({ userId: 'anna', timestamp: at, properties: { x: 'x'.repeat(1e6) } }),
    `{"userId":"anna","timestamp":1710325274000,"properties":{"a":${'['.repeat(9000)}${']'.repeat(9000)}}}`,
    '',
    JSON.stringify({
      anonymousId: 'a-1',
      name: 'Home',
      type: 'page',
      timestamp: '2024-03-13 10:21',
    }),
  ]
  const { rejected, lines: printed, summary } = await print(file(t, 'a.ndjson', lines.join('\n')))
  assert.deepEqual(
    rejected.map(row => `${row.line}: ${row.reason}`),
    [
      ...['2: json', '3: shape', '4: shape', '5: user', '6: user', '7: time', '8: seconds'],
      ...['9: time', '10: time', '11: type of value', '12: type', '13: type of value'],
      ...['14: user', '15: key', '16: size', '17: depth'],
    ],
  )
  assert.deepEqual(picked(printed, 'userId', 'anonymousId', 'event', 'name', 'type'), [
    [undefined, 'a-1', undefined, 'Home', 'page'],
    ['anna', undefined, 'home', undefined, 'track'],
  ])
  assert.equal(summary.counts.rows, 18)
  assert.equal(summary.counts.dead.get('time'), 3)
  assert.ok(rejected.every(row => row.bytes.length <= 64 * 1024 && row.detail !== ''))
})

test('bad rows of a CSV are reported with line and reason, and the good ones kept', async t => {
  const rows = [
    'userId,timestamp,event',
    `,${at},home`,
    'anna,yesterday,home',
    'anna,1710325274,home',
    'anna,1969-07-20 20:17,home',
    'anna,2101-01-01,home',
    'anna,,home',
    `anna,${at}`,
    `anna,${at},home,x`,
    `${'x'.repeat(257)},${at},home`,
    `anna,${at},${'x'.repeat(1024 * 1024)}`,
    `anna,${at},home`,
    `anna,${at},"home`,
  ]
  assert.deepEqual(await reasons(file(t, 'a.csv', rows.join('\n'))), [
    ...['2: user', '3: time', '4: seconds', '5: time', '6: time', '7: time'],
    ...['8: columns', '9: columns', '10: user', '11: size', '13: quote'],
  ])
})

test('a column named __proto__ reaches nobody', async t => {
  const path = file(t, 'a.csv', `userId,timestamp,event,__proto__\nanna,${at},home,x\n`)
  assert.deepEqual(await reasons(path), ['2: key'])
  const { lines } = await print(path, { property: ['proto=__proto__'] })
  assert.deepEqual(picked(lines, 'properties'), [[{ proto: 'x' }]])
})

test('columns without a name, or with the name of another, keep their values', async t => {
  const path = file(t, 'a.csv', `,userId,timestamp,event,x,x\n0,anna,${at},home,1,2\n`)
  const { lines } = await print(path)
  assert.deepEqual(picked(lines, 'properties'), [[{ '#1': '0', x: '1', 'x#6': '2' }]])
})

test('an empty file and a header alone are no clicks and no errors', async t => {
  const files = [
    file(t, 'a.csv', ''),
    file(t, 'b.csv', 'userId,timestamp,event\r\n'),
    file(t, 'c.ndjson', '\n'),
  ]
  const { summary } = await print(files)
  assert.equal(summary.counts.rows, 0)
})

test('what cannot be imported at all is refused with a sentence', async t => {
  const good = file(t, 'good.csv', `userId,timestamp,event\nanna,${at},home\n`)
  const gz = gzipSync(`userId,timestamp,event\n${`anna,${at},home\n`.repeat(1000)}`)
  const broken = Buffer.concat([gz.subarray(0, 20), Buffer.alloc(9, 7), gz.subarray(40)])
  const refusals: [string, string | string[], RegExp][] = [
    ['no file', `${folder(t)}/none.csv`, /There is no file .*none\.csv\./],
    ['a directory', folder(t), /is a directory/],
    ['a gz that is cut', file(t, 'cut.csv.gz', gz.subarray(0, gz.length - 9)), /is cut off/],
    ['a gz that is broken', file(t, 'broken.csv.gz', broken), /no readable gz/],
    ['a zip', file(t, 'a.csv', 'PK\x03\x04...'), /is a zip archive/],
    ['UTF-16', file(t, 'a.csv', Buffer.from('\ufeffuserId', 'utf16le')), /is UTF-16/],
    [
      'no such column',
      file(t, 'a.csv', 'user,at\n1,2\n'),
      /has no column userId \(--user\)\. Its columns are: user, at\./,
    ],
    [
      'a column twice',
      file(t, 'a.csv', 'userId,userId,timestamp\n'),
      /has the column userId 2 times/,
    ],
    [
      'a header with an open quote',
      file(t, 'a.csv', '"userId,timestamp\n'),
      /header cannot be read/,
    ],
    [
      'the same content twice',
      [good, file(t, 'b.csv.gz', gzipSync(`userId,timestamp,event\nanna,${at},home\n`))],
      /same content/,
    ],
  ]
  for (const [name, files, sentence] of refusals)
    await assert.rejects(print(files), { code: 'badInput', message: sentence }, name)
})

test('nothing is appended or rejected when a later file is refused', async t => {
  const bad = file(t, 'a.csv', 'userId,timestamp,event\n,,\n')
  const project = await openProject(t)
  const rejected: unknown[] = []
  const reject = async (rows: readonly unknown[]) => void rejected.push(...rows)
  for (const later of [`${bad}.none`, file(t, 'b.csv', 'user,timestamp,event\n')])
    await assert.rejects(importInto(project.target, [bad, later], {}, { reject }))
  assert.deepEqual(rejected, [])
})

test('options that contradict each other are refused with a sentence', async t => {
  const path = file(t, 'a.csv', '')
  await assert.rejects(print(path, { event: 'a', eventColumn: 'b' }), /not both/)
  await assert.rejects(print(path, { refundPrefix: 'C' }), /needs --order/)
  await assert.rejects(print(path, { value: 'a*' }), /--value a\*/)
  await assert.rejects(print(path, { property: ['=x'] }), /--property =x/)
  await assert.rejects(print(path, { timeUnit: 'h' }), /must be ms or s/)
  await assert.rejects(print(path, { zone: 'Mars' }), /no time zone Mars/)
})
