/**
 * The invariants are no decoration: with a clause taken out of the fold, the properties that compare it with
 * the naive model and check its promises, or the cases, must fail. Each mutant is a copy of the source with one change.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const root = new URL('../../', import.meta.url).pathname

interface Mutant {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
}

const mutants: readonly Mutant[] = [
  {
    name: 'session 1: the gap itself is no longer the same session',
    file: 'session.ts',
    from: 'timeMs <= session.endMs + session.gapMs',
    to: 'timeMs < session.endMs + session.gapMs',
  },
  {
    name: 'session 2: a click next to a final session is taken',
    file: 'session.ts',
    from: 'if (timeMs <= user.closedUntilMs && !continues(user, joined, timeMs)) {',
    to: 'if (false) {',
  },
  {
    name: 'session 2: a click behind the bound is taken',
    file: 'session.ts',
    from: 'if (at.first < 0 && timeMs < state.boundMs) return',
    to: 'if (false) return',
  },
  {
    name: 'session 3: the later opening gives the id of a merge',
    file: 'session.ts',
    from: 'earlier.part > 1 || earlier.openOffset < later.openOffset',
    to: 'earlier.part > 1 || earlier.openOffset > later.openOffset',
  },
  {
    name: 'session 4: a session closes at the bound, not behind it',
    file: 'session.ts',
    from: 'session.endMs + session.gapMs < state.boundMs',
    to: 'session.endMs + session.gapMs <= state.boundMs',
  },
  {
    name: 'session 6: a repeated id counts',
    file: 'click.ts',
    from: 'if (isDuplicate(user, hash)) {',
    to: 'if (false) {',
  },
  {
    name: 'session 7: the cap on clicks is one too high',
    file: 'session.ts',
    from: 'session.clicks + 1 > clicksMax',
    to: 'session.clicks > clicksMax',
  },
  {
    name: 'settings: the late bound goes back',
    file: 'clock.ts',
    from: 'Math.max(state.boundMs, state.clockMs - disorderMs - latenessMs)',
    to: 'state.clockMs - disorderMs - latenessMs',
  },
  {
    name: 'alert 1: fires at the due time',
    file: 'timer.ts',
    from: 'if (!(since + first < beforeMs)) return noSteps',
    to: 'if (!(since + first <= beforeMs)) return noSteps',
  },
  {
    name: 'alert 2: any newer activity ends a silence',
    file: 'alert.ts',
    from: 'timeMs > episode.sinceMs + state.settings.gapMs',
    to: 'timeMs > episode.sinceMs',
  },
  {
    name: 'alert 3: a late click is a return',
    file: 'alert.ts',
    from: "timeMs > episode.dueMs ? 'returned' : 'late'",
    to: "timeMs > episode.dueMs - 1 ? 'returned' : 'late'",
  },
  {
    name: 'alert 5: high value ends at the entry line',
    file: 'activity.ts',
    from: '(was && valueMinor >= state.keepMinor)',
    to: '(was && valueMinor >= state.highMinor)',
  },
  {
    name: 'alert 7: nothing is ever stale',
    file: 'alert.ts',
    from: "if (w - overdueFromMs > rule.maxAgeMs) return 'stale'",
    to: '',
  },
  {
    name: 'money: an order counts each time it comes',
    file: 'activity.ts',
    from: 'if (heldOrder(user.ledger, key, state.clockMs)) return undefined',
    to: '',
  },
]

/** Runs the properties on a copy of the source with that change; true when they fail. */
async function isCaught(mutant: Mutant): Promise<boolean> {
  const copy = mkdtempSync(join(tmpdir(), 'ebb-mutant-'))
  try {
    for (const part of ['services', 'test/model', 'test/processor', 'package.json'])
      cpSync(join(root, part), join(copy, part), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    const path = join(copy, 'services/processor/fold', mutant.file)
    const source = readFileSync(path, 'utf8')
    assert.equal(source.split(mutant.from).length, 2, `${mutant.file} has the clause once`)
    writeFileSync(path, source.replace(mutant.from, mutant.to))
    return await new Promise(resolve => {
      const scripts = ['properties', 'cases'].map(name =>
        join(copy, `test/processor/${name}.test.ts`),
      )
      // Not a child of this runner: it would report to it.
      const { NODE_TEST_CONTEXT: _context, ...env } = process.env
      const options = { env: { ...env, EBB_RUNS: '0.25' }, maxBuffer: 1 << 28 }
      execFile(process.execPath, ['--test', ...scripts], options, error => resolve(error !== null))
    })
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

test('the source as it is passes', async () => {
  const none = {
    name: 'none',
    file: 'clock.ts',
    from: 'export function raiseBound',
    to: 'export function raiseBound',
  }
  assert.equal(await isCaught(none), false)
})

for (const mutant of mutants)
  test(`caught: ${mutant.name}`, async () => {
    assert.ok(await isCaught(mutant), 'the properties fail without this clause')
  })
