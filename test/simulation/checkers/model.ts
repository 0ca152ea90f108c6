/**
 * I2 and I3 once more, by the naive model of both rules that was written apart from the fold (test/model): what the
 * fold itself does wrong no other checker could see.
 */
import { runModel } from '../../model/pipe.ts'
import type { Evidence } from '../evidence.ts'
import { pipeArguments, type Reference } from './reference.ts'

/** The model is slow: every so many seeds are compared with it. */
const everySeeds = 5

interface Line {
  readonly settings?: Readonly<Record<string, unknown>>
}

export function checkModel({ plan }: Evidence, { dumps, sessions, alerts }: Reference): string[] {
  if (plan.seed % everySeeds !== 0) return []
  // A list: what comes again after an erasure may be told twice.
  const expected: string[] = []
  for (const texts of dumps) {
    const lines = texts.map(text => JSON.parse(text) as Line)
    if (lines.some(({ settings }) => settings?.guards === 'on')) return []
    for (const text of runModel(lines.map(withoutGuards), pipeArguments)) {
      const { session, alert } = JSON.parse(text)
      if (session ?? alert) expected.push(shown(session ?? alert))
    }
  }
  const found = [...sessions, ...alerts].map(shown)
  const wrong = found.flatMap(text => {
    const at = expected.indexOf(text)
    if (at >= 0) expected.splice(at, 1)
    return at >= 0 ? [] : [`I2: the model does not have ${text}`]
  })
  for (const text of expected) wrong.push(`I3: the model has ${text}`)
  return wrong.slice(0, 3)
}

/** The model knows no guards, and no setting of that name. */
function withoutGuards(line: Line): Line {
  if (!line.settings) return line
  const { guards: _, ...settings } = line.settings
  return { settings }
}

function shown(line: object): string {
  return JSON.stringify(Object.entries(line).sort())
}
