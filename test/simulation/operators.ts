/** What people do to a project: settings, rules, cutoffs, endpoints. Their commands answer at once and never fail. */
import { keepControl, keepRule } from '../../services/control/project.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { NewRecord } from '../../services/log/log.ts'
import { parseRule } from '../../services/processor/fold/rule.ts'
import type { Store } from '../../services/store/store.ts'
import type { Chance } from './chance.ts'
import { firstRow } from './endpoints.ts'
import type { Topics } from './kafka/topics.ts'
import { clicksTopic, type Plan } from './plan.ts'
import type { Scheduler } from './scheduler.ts'
import { startMs } from './virtual-time.ts'

const rules: readonly ((chance: Chance) => Record<string, unknown>)[] = [
  chance => ({
    id: 'everyone',
    when: { quiet_for: chance.pick(['6s', '9s']) },
    then: { escalate: ['14s'], cooldown: chance.pick(['0', '10s']), max_age: '1m' },
  }),
  chance => ({
    id: 'buyers',
    when: { quiet_for: '7s', since: 'purchase' },
    who: chance.pick([{ tier: 'high' }, { value_90d: { at_least: 300 } }]),
    holdout: chance.pick(['0%', '30%']),
  }),
  chance => ({
    id: 'brief',
    when: { quiet_for: '4s' },
    then: { resolve: chance.often(0.5), max_age: chance.pick(['4s', '1d']) },
  }),
]

const againMs = 200

export interface Operators {
  /** Before the first service starts. */
  prepare(): Promise<void>
  /** Plans what they do later. */
  begin(): void
}

export function createOperators(options: {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly chance: Chance
  readonly store: Store
  readonly topics: Topics
}): Operators {
  const { plan, scheduler, chance, store, topics } = options
  const nowMs = () => startMs + Math.floor(scheduler.nowMs())

  async function keep(rule: Record<string, unknown>): Promise<void> {
    // Removing a rule that is not there is refused with a sentence: fine.
    await keepRule(store, parseRule(rule), rule, nowMs()).catch(() => undefined)
  }

  /** What other writers put on the clicks topic: JSON of their own, and what is no record. */
  function foreignRecord(): NewRecord {
    const key = `user-${chance.whole(1, plan.users)}`
    const text = JSON.stringify({ userId: key, timestamp: nowMs(), event: 'foreign' })
    const values = [
      Buffer.from(text),
      Buffer.from('{"no": "click"}'),
      Buffer.from([0, 0, 0, 0, 2, 7]),
      Buffer.from([1, 2, 3]),
      Buffer.from('{'),
      null,
    ]
    return { key, value: chance.pick(values) }
  }

  /** As soon as somebody leads the partition. */
  function append(partition: number, record: NewRecord): void {
    const { leader } = topics.at(clicksTopic, partition).leadership
    if (leader === null)
      scheduler.plan(againMs, null, 'operator again', () => append(partition, record))
    else topics.append(clicksTopic, partition, [record])
  }

  function appendForeign(): void {
    const record = foreignRecord()
    append(topics.partitionOf(clicksTopic, record.key!), record)
  }

  function appendErasure(): void {
    const userId = `user-${chance.whole(1, plan.users)}`
    const record = { key: userId, value: encodeRecord({ kind: 'erase', userId }) }
    append(topics.partitionOf(clicksTopic, userId), record)
  }

  function appendToAll(record: Parameters<typeof encodeRecord>[0]): void {
    for (let partition = 0; partition < plan.partitions; partition++)
      append(partition, { key: null, value: encodeRecord(record) })
  }

  const acts: readonly (() => unknown)[] = [
    () => keep(chance.pick(rules)(chance)),
    () => keep({ id: chance.pick(['everyone', 'buyers', 'brief']), removed: true }),
    () => keepControl(store, 'cutoffs', { high: chance.pick([200, 500]), keep: 150 }, nowMs()),
    () => keepControl(store, 'settings', { gap: chance.pick(['2s', '5s']) }, nowMs()),
    () =>
      keepControl(
        store,
        'settings',
        { lateness: chance.pick(['1s', '5s']), disorder: '1s' },
        nowMs(),
      ),
    appendForeign,
    appendForeign,
    appendErasure,
    () => appendToAll({ kind: 'tick', atMs: nowMs(), writer: 'a stranger' }),
  ]

  return {
    async prepare() {
      await keepControl(
        store,
        'settings',
        {
          gap: '4s',
          disorder: '500ms',
          lateness: '3s',
          skew: '20s',
          'max-session': '15s',
          'max-clicks': 6,
          guards: plan.guards,
        },
        nowMs(),
      )
      for (const rule of rules) if (chance.often(0.7)) await keep(rule(chance))
      if (chance.often(0.5)) await keepControl(store, 'cutoffs', { high: 300, keep: 200 }, nowMs())
      for (let endpoint = 1; endpoint <= plan.endpoints; endpoint++)
        await store.insert('endpoints', [firstRow(endpoint, nowMs())])
    },
    begin() {
      for (let count = chance.whole(0, 10); count > 0; count--)
        scheduler.plan(chance.between(0, plan.activeMs), null, 'operator', chance.pick(acts))
    },
  }
}
