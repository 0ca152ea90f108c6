/** The promise "same log, same answers", as far as the source can show it. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const folder = new URL('../../services/processor/fold/', import.meta.url)

/** What the fold may import from outside its room: values, hashes, parsing; nothing that reads or waits. */
const allowed = new Set([
  '../../base/duration.ts',
  '../../base/errors.ts',
  '../../base/ids.ts',
  '../../log/record.ts',
  '../../log/segment.ts',
])

const ambient =
  /\bDate\.now\(|new Date\(\)|Math\.random\(|random(UUID|Id|Bytes)\(|set(Timeout|Interval|Immediate)\(|performance\.|process\.|\bawait\b|\basync\b|\bimport\(|\bfetch\(|\bIntl\b|toLocale|localeCompare/

function sources(): [name: string, text: string][] {
  const names = readdirSync(folder).filter(name => name.endsWith('.ts'))
  return names.map(name => [name, readFileSync(new URL(name, folder), 'utf8')])
}

/** Lines without comments: they may speak of what the code must not do. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
}

test('the fold imports nothing that does I/O or knows the time', () => {
  assert.ok(sources().length > 10, 'the fold was found')
  for (const [name, text] of sources())
    for (const [, path] of text.matchAll(/from '([^']+)'/g))
      assert.ok(
        path!.startsWith('./') || allowed.has(path!),
        `${name} imports ${path}: the fold must stay pure`,
      )
})

test('the fold reads no clock and no chance, and waits for nothing', () => {
  for (const [name, text] of sources())
    assert.doesNotMatch(code(text), ambient, `${name} must stay pure`)
})

test('what the fold may import is pure too', () => {
  for (const path of allowed) {
    const text = readFileSync(new URL(path, folder), 'utf8')
    assert.doesNotMatch(
      code(text).replace(/randomUUID|randomId/g, ''),
      /node:(fs|net|http|child)/,
      path,
    )
  }
})
