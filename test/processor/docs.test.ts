/** What the docs show is what comes out. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseRule } from '../../services/processor/fold/rule.ts'
import { runPipe } from '../../services/processor/pipe/run.ts'

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

test('the example of pipe.md', () => {
  const text = read('pipe.md')
  const input = [...text.matchAll(/^ {8}'(\{.*\})'/gm)].map(([, line]) => line!)
  const expected = [...text.matchAll(/^ {4}(\{.*\})$/gm)].map(([, line]) => line!)
  assert.equal(input.length, 3)
  assert.deepEqual(runPipe(input, ['--summary']), expected)
})

test('every rule in rules.md is one', () => {
  const text = read('rules.md')
  const [, whole] = /```json\n([\s\S]*?)```/.exec(text)!
  assert.equal(parseRule(JSON.parse(whole!)).id, 'high-value-quiet')
  const parts = [...text.matchAll(/^\| `(\{.*?\})` \|/gm)].map(([, part]) => JSON.parse(part!))
  assert.ok(parts.length >= 6)
  for (const part of parts) {
    const isWho = ['tier', 'value_90d', 'segment'].some(key => key in part)
    parseRule({
      id: 'r',
      when: isWho ? { quiet_for: '1d' } : part,
      ...(isWho ? { who: part } : {}),
    })
  }
})
