/** A file's clicks as records for each partition, each at its own time, with rules before and a tick after each day. */
import { encodeRecord } from '../../services/log/codec.ts'
import type { NewRecord } from '../../services/log/log.ts'
import type { Control } from '../../services/log/record.ts'
import type { Entry } from '../real/history.ts'

const dayMs = 86_400_000

export interface Plan {
  readonly clicks: number
  readonly records: number
  /** For each day, for each partition, what comes in. */
  readonly days: readonly (readonly NewRecord[][])[]
}

/**
 * A record counts with its own time, to the millisecond; a tick a day is no hole in the clicks. The revision is
 * beyond that of the settings which a new project is given.
 */
const settings: Control = {
  kind: 'settings',
  revision: 1000,
  settings: JSON.stringify({ skew: '0', guards: 'off' }),
}

const rules = [
  { id: 'quiet25', when: { quiet_for: '25d', since: 'purchase' } },
  { id: 'quiet7', when: { quiet_for: '7d' }, then: { escalate: ['14d', '30d'], cooldown: '40d' } },
  { id: 'ratio', when: { quiet_ratio: 2 }, holdout: '20%' },
  { id: 'high', when: { quiet_for: '20d' }, who: { tier: 'high' } },
  { id: 'gone', when: { expected: { gone_after: '90d', probability: 0.4, not_before: '14d' } } },
]

const first: readonly Control[] = [
  settings,
  ...rules.map(rule => ({ kind: 'rule', revision: 1, rule: JSON.stringify(rule) }) as const),
]

/** `entries` in order of time. */
export function replayPlan(entries: readonly Entry[], partitions: number): Plan {
  const days: NewRecord[][][] = []
  let records = 0
  let day: NewRecord[][] = []
  const begin = () => {
    day = Array.from({ length: partitions }, () => [])
    days.push(day)
  }
  const put = (partition: number, key: string | null, value: Buffer) => {
    day[partition]!.push({ key, value })
    records++
  }
  const toAll = (record: Control) => {
    for (let partition = 0; partition < partitions; partition++)
      put(partition, null, encodeRecord(record))
  }
  begin()
  for (const record of first) toAll(record)
  let endMs = (Math.floor(entries[0]!.click.timestampMs / dayMs) + 1) * dayMs
  const end = () => {
    toAll({ kind: 'tick', atMs: endMs, writer: 'replay' })
    endMs += dayMs
  }
  for (const { partition, click } of entries) {
    while (click.timestampMs >= endMs) {
      end()
      begin()
    }
    put(partition, click.userId, encodeRecord({ ...click, imported: false }))
  }
  end()
  return { clicks: entries.length, records, days }
}
