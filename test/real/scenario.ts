/** Rules that make every kind of alert, changed on the way, around the clicks of a file. */
import { type Line, lineMs } from './lines.ts'

const dayMs = 86_400_000

const who = { tier: 'high' }
const firstRules: Line[] = [
  {
    rule: {
      id: 'quiet',
      when: { quiet_for: '20d' },
      who,
      then: { escalate: ['30d', '60d'], cooldown: '40d' },
    },
  },
  { rule: { id: 'ratio', when: { quiet_ratio: 2 }, holdout: '20%' } },
  { rule: { id: 'bought', when: { quiet_for: '25d', since: 'purchase' }, who } },
  {
    rule: {
      id: 'gone',
      when: { expected: { gone_after: '90d', probability: 0.4, not_before: '14d' } },
      who,
    },
  },
]

/** Two thirds on: another meaning and audience, one that goes, another model. */
const laterRules: Line[] = [
  { rule: { id: 'quiet', when: { quiet_for: '10d' }, who: { value_90d: { at_least: 800 } } } },
  { rule: { id: 'ratio', removed: true } },
  { model: { r: 0.648, alpha: 7.01, a: 0.125, b: 4.52 } },
]

/** The lines of a file between changes of rules and tiers, closed by a tick. */
export function scenario(clicks: readonly Line[]): Line[] {
  const [third, later] = [Math.floor(clicks.length / 3), Math.floor((clicks.length * 2) / 3)]
  const lastMs = lineMs(clicks.at(-1)!)!
  // Where no click carries money, everyone is high.
  const carriesMoney = clicks.some(({ properties }) => (properties as Line).revenue !== undefined)
  return [
    ...firstRules,
    ...clicks.slice(0, third),
    { cutoffs: carriesMoney ? { high: 942.75, keep: 789 } : { high: 0, keep: 0 } },
    ...clicks.slice(third, later),
    ...laterRules,
    ...(carriesMoney ? [{ cutoffs: { high: 1045.48, keep: 901.71 } }] : []),
    ...clicks.slice(later),
    { tick: (Math.floor(lastMs / dayMs) + 2) * dayMs },
  ]
}
