/**
 * What all partitions must agree on: rules, settings, cutoffs, model. Each change is a row with a revision
 * and then a record for every partition, appended again until the partition's state shows the revision; so a
 * crash between the two loses nothing, and a partition never misses a revision of a rule.
 */
import { EbbError } from '../base/errors.ts'
import { after, wallClock } from '../base/time.ts'
import { encodeRecord } from '../log/codec.ts'
import type { Log } from '../log/log.ts'
import type { Control } from '../log/record.ts'
import type { RuleText } from '../processor/fold/rule.ts'
import type { PartitionState } from '../processor/fold/state.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'

export interface Broadcast {
  readonly key: string
  readonly revision: number
  readonly record: Control
}

type ControlKind = 'settings' | 'cutoffs' | 'model'

/** All revisions of rules and controls, oldest first; of cutoffs and model only the newest counts. */
export async function readBroadcasts(store: Store): Promise<Broadcast[]> {
  const rules = await store.query<{ rule_id: string; revision: string; rule: string }>(
    'SELECT rule_id, revision, rule FROM rules ORDER BY rule_id, revision',
  )
  const controls = await store.query<{ kind: ControlKind; revision: string; value: string }>(
    'SELECT kind, revision, value FROM controls ORDER BY kind, revision DESC',
  )
  const broadcasts: Broadcast[] = rules.map(row => {
    const revision = Number(row.revision)
    return {
      key: `rule:${row.rule_id}`,
      revision,
      record: { kind: 'rule', revision, rule: row.rule },
    }
  })
  const newest = new Set<string>()
  for (const { kind, revision, value } of controls) {
    if (kind !== 'settings' && newest.has(kind)) continue
    newest.add(kind)
    broadcasts.push({
      key: kind,
      revision: Number(revision),
      record: controlRecord(kind, Number(revision), value),
    })
  }
  return broadcasts.sort((left, right) => left.revision - right.revision)
}

function controlRecord(kind: ControlKind, revision: number, value: string): Control {
  if (kind === 'settings') return { kind, revision, settings: value }
  return { kind, revision, ...JSON.parse(value) } as Control
}

/**
 * The revision of a change: above the newest that is kept, and above what any partition holds. Partitions hold a
 * later one when a backup of the tables was put back; a change below it they would take for an old one.
 */
async function nextRevision(store: Store, key: string, kept: number): Promise<number> {
  return Math.max(kept, await readHeld(store, key)) + 1
}

async function readHeld(store: Store, key: string): Promise<number> {
  const rows = await store.query<{ state: string }>('SELECT state FROM progress FINAL')
  const held = rows.map(({ state }) => {
    const { revisions } = JSON.parse(state) as { revisions: [string, number][] }
    return new Map(revisions).get(key) ?? 0
  })
  return Math.max(0, ...held)
}

/** Keeps a new revision of a control. */
export async function keepControl(
  store: Store,
  kind: ControlKind,
  value: object,
  nowMs: number,
): Promise<void> {
  const [row] = await store.query<{ revision: string }>(
    'SELECT max(revision) AS revision FROM controls WHERE kind = {kind:String}',
    { kind },
  )
  const revision = await nextRevision(store, kind, Number(row!.revision))
  const changed_at = rowTime(nowMs)
  await store.insert('controls', [{ kind, revision, value: JSON.stringify(value), changed_at }])
}

/** The settings that a new project begins with; an old one keeps its own. */
export async function keepFirstSettings(
  store: Store,
  settings: Readonly<Record<string, unknown>>,
): Promise<void> {
  const [row] = await store.query<{ count: string }>('SELECT count() AS count FROM controls')
  if (Number(row!.count) === 0) await keepControl(store, 'settings', settings, wallClock())
}

/** A rule as kept: its newest revision. */
export interface KeptRule {
  readonly id: string
  readonly revision: number
  readonly rule: Readonly<Record<string, unknown>>
  readonly removed: boolean
}

export async function listRules(store: Store): Promise<KeptRule[]> {
  const rows = await store.query<{
    rule_id: string
    revision: string
    rule: string
    removed: boolean
  }>(
    'SELECT rule_id, revision, rule, removed FROM rules ORDER BY rule_id, revision DESC LIMIT 1 BY rule_id',
  )
  return rows.map(row => ({
    id: row.rule_id,
    revision: Number(row.revision),
    rule: JSON.parse(row.rule),
    removed: row.removed,
  }))
}

/** Keeps a rule as written; false when it is what is kept and held already. `text` is the same rule, checked. */
export async function keepRule(
  store: Store,
  text: RuleText,
  rule: unknown,
  nowMs: number,
): Promise<boolean> {
  const kept = (await listRules(store)).find(({ id }) => id === text.id)
  const json = JSON.stringify(rule)
  const revision = await nextRevision(store, `rule:${text.id}`, kept?.revision ?? 0)
  const isForgotten = revision > (kept?.revision ?? 0) + 1
  if (!isForgotten) {
    if (kept && kept.removed === text.removed && JSON.stringify(kept.rule) === json) return false
    if (text.removed && (!kept || kept.removed))
      throw new EbbError('badInput', `There is no rule ${text.id}.`)
  }
  await store.insert('rules', [
    {
      rule_id: text.id,
      revision,
      rule: json,
      removed: text.removed,
      changed_at: rowTime(nowMs),
    },
  ])
  return true
}

export interface Broadcaster {
  /** Appends what some partition lacks. */
  spread(): Promise<void>
  stop(): void
}

/** So long an appended record may take to show in the partition's state before it is appended again. */
const showDelayMsMax = 60_000
const spreadIntervalMs = 10_000

export function startBroadcaster(options: {
  readonly log: Log
  readonly store: Store
  readonly topic: string
  readonly partitions: number
  /** What each partition holds, as far as it is known here; one that is left out is looked at later. */
  readonly revisions: () => Promise<ReadonlyMap<number, PartitionState['revisions']>>
  readonly steadyClock: () => number
  readonly troubled: (error: Error) => void
}): Broadcaster {
  const { log, store, topic, partitions, steadyClock } = options
  const appendedAt = new Map<string, number>()
  let cancel = () => {}
  let work: Promise<void> = Promise.resolve()

  async function spreadNow(): Promise<void> {
    const broadcasts = await readBroadcasts(store)
    const revisions = await options.revisions()
    for (let partition = 0; partition < partitions; partition++) {
      const held = revisions.get(partition)
      if (!held) continue
      const missing = broadcasts.filter(({ key, revision }) => {
        if (revision <= (held.get(key) ?? 0)) return false
        const atMs = appendedAt.get(`${partition} ${key} ${revision}`)
        return atMs === undefined || steadyClock() - atMs > showDelayMsMax
      })
      if (missing.length === 0) continue
      const records = missing.map(({ record }) => ({ key: null, value: encodeRecord(record) }))
      await log.append(topic, partition, records)
      for (const { key, revision } of missing)
        appendedAt.set(`${partition} ${key} ${revision}`, steadyClock())
    }
  }

  const spread = () => {
    work = work.catch(() => undefined).then(spreadNow)
    return work
  }
  const again = () => {
    cancel = after(spreadIntervalMs, () => {
      spread().catch(options.troubled).finally(again)
    })
  }
  again()
  return { spread, stop: () => cancel() }
}
