/**
 * I2 and I3 once more, by the naive model of both rules that was written apart from the fold (test/model): what the
 * fold itself does wrong no other checker could see.
 */
import { runModel } from '../../model/pipe.ts'
import type { Evidence } from '../evidence.ts'
import { pipeArguments, type Reference } from './reference.ts'

/** The model is slow: every so many seeds are compared with it. */
const everySeeds = 5

type Line = Readonly<Record<string, unknown>>

export function checkModel({ plan }: Evidence, { dumps, sessions, alerts }: Reference): string[] {
  if (plan.seed % everySeeds !== 0) return []
  const expected = new Set<string>()
  for (const texts of dumps) {
    const lines = texts.map(text => JSON.parse(text) as Line)
    if (!isWithinModel(lines)) return []
    const [settings] = lines.flatMap(line => (line.settings ? [line.settings as Line] : []))
    const flags = Object.entries(settings ?? {}).flatMap(([name, value]) => [
      `--${name}`,
      `${value}`,
    ])
    const input = lines.filter(line => !line.settings)
    for (const text of runModel(input, [...pipeArguments, ...flags])) {
      const { session, alert } = JSON.parse(text)
      if (session ?? alert) expected.add(shown(session ?? alert))
    }
  }
  const found = [...sessions, ...alerts].map(shown)
  const wrong = found.flatMap(text =>
    expected.delete(text) ? [] : [`I2: the model does not have ${text}`],
  )
  for (const text of expected) wrong.push(`I3: the model has ${text}`)
  return wrong.slice(0, 3)
}

/**
 * It knows no guards and no erasures, and settings as flags alone. Of tiers that a later Cutoffs record moves it says
 * other things than the fold (docs/simulation.md, limits): they are left out.
 */
function isWithinModel(lines: readonly Line[]): boolean {
  const settings = lines.flatMap(line => (line.settings ? [line.settings as Line] : []))
  const unknown =
    lines.some(line => line.erase) ||
    lines.findLastIndex(line => line.cutoffs) > lines.findIndex(line => line.userId)
  return settings.length <= 1 && settings[0]?.guards !== 'on' && !unknown
}

function shown(line: object): string {
  return JSON.stringify(Object.entries(line).sort())
}
