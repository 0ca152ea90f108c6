/** What a rebuilt log says beside clicks: clicks that are judged again, and what earlier epochs knew of users. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPipe } from '../../services/processor/pipe/run.ts'

const tight = ['--gap=10ms', '--disorder=0', '--lateness=0']
const minute = 60_000

interface Silence {
  rule?: string
  kind?: string
  sinceMs?: number | null
  recordedMs?: number
  dueMs?: number | null
  version?: number
  cancelled?: boolean
  firedDueMs?: number | null
  coolDueMs?: number | null
  subjectMs?: number | null
}

/** Told: fired 100 ms after 0, unless said otherwise. */
const silence = (changed: Silence = {}) => ({
  ...{ rule: 'r', kind: 'activity', sinceMs: 0, recordedMs: 100, dueMs: 100, version: 1 },
  ...{ cancelled: false, firedDueMs: 100, coolDueMs: null, subjectMs: null },
  ...changed,
})

const standing = (silences: readonly object[], changed: object = {}) => ({
  standing: {
    ...{ userId: 'u', segments: [], scores: {}, silences },
    ...{ activity: { value: 0, high: false }, purchase: { value: 0, high: false } },
    ...changed,
  },
})

const judged = (timestamp: number, clock = timestamp, rest: object = {}) => ({
  ...{ userId: 'u', timestamp, messageId: `m${timestamp}`, judged: clock },
  ...rest,
})

const rule = { rule: { id: 'r', when: { quiet_for: '100ms' } } }

function run(lines: readonly object[], kind: string, args: readonly string[] = tight) {
  const texts = lines.map(line => JSON.stringify(line))
  return runPipe(texts, ['--clock=log', ...args])
    .map(text => JSON.parse(text))
    .filter(line => kind in line)
    .map(line => line[kind])
}

const told = (lines: readonly object[]) =>
  run(lines, 'alert').map(({ status, reason, since, due }) =>
    [status, reason, since, due].filter(part => part !== undefined).join(' '),
  )

test('a click that is judged again lets no timer fire, and time counts from Live', () => {
  const before = [rule, judged(0), judged(150), { tick: 150 }]
  assert.deepEqual(told([rule, judged(0), judged(200), judged(400)]), [])
  assert.deepEqual(told([...before, { live: 300 }]), ['fired 150 250'])
})

test('what was told is not told again, and who comes back is told of', () => {
  const known = [rule, judged(0), standing([silence()])]
  assert.deepEqual(told([...known, { live: 150 }]), [])
  const returns = { userId: 'u', timestamp: 200, receivedAt: 200, logTime: 200 }
  assert.deepEqual(told([...known, { live: 150 }, returns]), ['resolved returned 0 100'])
  assert.deepEqual(told([rule, judged(0), { live: 150 }]), ['fired 0 100'], 'it would be without')
})

test('the next step of a silence that was told is still told', () => {
  const escalating = { rule: { ...rule.rule, then: { escalate: ['300ms'] } } }
  const lines = [escalating, judged(0), standing([silence()]), { live: 150 }, { tick: 301 }]
  assert.deepEqual(told(lines), ['fired 0 300'])
})

test('a click that only the file knows ends a told silence where it is taken over', () => {
  const lines = [rule, judged(0), judged(60), standing([silence()])]
  assert.deepEqual(told(lines), ['resolved late 0 100'])
  assert.deepEqual(told([rule, judged(0), judged(120), standing([silence()])]), [
    'resolved returned 0 100',
  ])
  assert.deepEqual(told([rule, judged(0), judged(10), standing([silence()])]), [], 'the same visit')
})

test('the cooldown of a silence that is over goes on', () => {
  const cooled = { rule: { ...rule.rule, then: { cooldown: '1000ms' } } }
  const over = silence({ sinceMs: null, recordedMs: -1, dueMs: null, firedDueMs: null })
  const lines = [cooled, judged(0), standing([{ ...over, coolDueMs: -50 }]), { live: 101 }]
  assert.deepEqual(told(lines), ['suppressed 0 100'])
})

test('a rule that nobody knows any more is passed over', () => {
  assert.deepEqual(told([judged(0), standing([silence()]), { live: 150 }]), [])
})

test('a click is late or accepted by the clock that judged it, however old', () => {
  const lines = [judged(100 * 86_400_000), judged(0, 100 * 86_400_000), judged(5, 5)]
  assert.deepEqual(
    run(lines, 'late').map(({ messageId, by }) => [messageId, by]),
    [
      ['m0', 100 * 86_400_000],
      ['m5', 100 * 86_400_000 - 5],
    ],
  )
  assert.equal(run(lines, 'quarantined').length, 0)
})

test('far apart clicks that are judged again are no hole', () => {
  const lines = [rule, judged(0), judged(30 * minute), { live: 30 * minute + 200 }]
  assert.deepEqual(
    run(lines, 'alert', [...tight, '--guards=on', '--lateness=1h']).map(({ status }) => status),
    ['fired'],
  )
})

test('who was high stays so while his value is what it was', () => {
  const buys = { event: 'purchase', properties: { revenue: 90 } }
  const cutoffs = { cutoffs: { high: 100, keep: 80 } }
  const tierOf = (value: number) => {
    const known = { activity: { value, high: true } }
    const lines = [cutoffs, judged(0, 0, buys), standing([], known)]
    return run(lines, 'user', [...tight, '--signals']).map(({ tier }) => tier)
  }
  assert.deepEqual(tierOf(900_000), ['high'])
  assert.deepEqual(tierOf(800_000), [null])
})

test('a standing that is none is dead, whatever is wrong with it', () => {
  const wrong = [
    standing([], { userId: '' }),
    standing([], { segments: 'x' }),
    standing([], { scores: { a: 'b' } }),
    standing([], { activity: { value: null, high: true } }),
    standing([silence({ kind: 'other' })]),
    standing([{ ...silence(), dueMs: 'then' }]),
    { standing: 7 },
    judged(0, Number.NaN, { judged: 'when' }),
  ]
  for (const line of wrong) assert.equal(run([line], 'dead').length, 1, JSON.stringify(line))
  assert.equal(run([standing([silence()])], 'dead').length, 0)
})
