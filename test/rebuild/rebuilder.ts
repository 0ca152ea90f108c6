/** A project on a log in memory and tables of the real engine, and what people see of it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { audit } from '../../services/audit/audit.ts'
import { partitionOf } from '../../services/base/slot.ts'
import { keepControl, keepRule } from '../../services/control/project.ts'
import { decodeAlert, decodeErasure, encodeRecord } from '../../services/log/codec.ts'
import type { LocalLog } from '../../services/log/local.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Click } from '../../services/log/record.ts'
import { standingJson } from '../../services/processor/fold/standing.ts'
import { restoreUser } from '../../services/processor/fold/user-row.ts'
import { parseRules } from '../../services/processor/pipe/options.ts'
import { type ProcessorOptions, startProcessor } from '../../services/processor/processor.ts'
import { untilDrained } from '../../services/rebuild/drain.ts'
import { openPresent, type Present } from '../../services/rebuild/present.ts'
import type { Site } from '../../services/rebuild/rebuild.ts'
import { shadowNameOf, tablesOf } from '../../services/rebuild/shadow.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import type { Store } from '../../services/store/store.ts'

export const kept = {
  retentionMs: Number.POSITIVE_INFINITY,
  retentionBytes: Number.POSITIVE_INFINITY,
}
const alertsPartitions = 2

export interface Rebuilder {
  readonly log: LocalLog
  readonly store: EmbeddedStore
  readonly shadow: Store
  nowMs: number
}

/** The engine has one directory in a process: each project has a database of its own. */
async function openRebuilder(directory: string, database: string): Promise<Rebuilder> {
  const store = await openEmbeddedStore({ directory, database })
  await migrate(store)
  const shadow = await store.openBeside(shadowNameOf(database))
  const log = openMemoryLog({ clock: () => rebuilder.nowMs })
  await log.ensure('alerts', { partitions: alertsPartitions, ...kept })
  const rebuilder: Rebuilder = { log, store, shadow, nowMs: 0 }
  return rebuilder
}

/** For the tests of a file: behind the last of them all projects are closed, and their directory is gone. */
export function createRebuilders() {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-rebuild-'))
  const opened: Rebuilder[] = []
  after(async () => {
    for (const { store, shadow } of opened) {
      await shadow.close()
      await store.close()
    }
    rmSync(directory, { recursive: true, force: true })
  })
  const open = async (database: string): Promise<Rebuilder> => {
    const rebuilder = await openRebuilder(directory, database)
    opened.push(rebuilder)
    return rebuilder
  }
  return {
    open,
    /** One that has these rules, and in whose first epoch all of these entries are folded. */
    async openFolded(
      database: string,
      rules: readonly object[],
      entries: readonly Entry[],
      partitions: number,
    ): Promise<Rebuilder> {
      const rebuilder = await open(database)
      await keepRules(rebuilder, rules)
      const first = await present(rebuilder, partitions)
      await append(rebuilder, first, entries)
      await foldAll(rebuilder, first)
      return rebuilder
    },
  }
}

export const present = ({ log, store }: Pick<Site, 'log'> & { store: Store }, partitions: number) =>
  openPresent({ log, store }, 'clicks', { partitions, ...kept })

export function siteOf(
  { log, store, shadow }: Rebuilder,
  tell: (sentence: string) => void = () => undefined,
): Site {
  const { signal: stopping } = new AbortController()
  return {
    ...{ log, tell, tables: tablesOf(store, shadow, store.database), project: 'default' },
    ...{ firstTopic: 'clicks', topic: kept, alertsTopic: 'alerts', alertsPartitions },
    ...{ stopping, drain: epoch => untilDrained(store, epoch, stopping) },
  }
}

/** What a project is told goes by its tables, and from there to the log. */
export async function keepRules(
  { store }: Rebuilder,
  rules: readonly object[],
  cutoffs?: { high: number; keep: number },
): Promise<void> {
  for (const [at, text] of parseRules(rules).entries()) await keepRule(store, text, rules[at], 0)
  if (cutoffs) await keepControl(store, 'cutoffs', cutoffs, 0)
}

export interface Entry {
  readonly atMs: number
  readonly record: NewRecord
}

/**
 * To its user's partition, or to all; with a tick on all of them, so that every partition has one clock and what
 * is found does not hang on how users share partitions.
 */
export async function append(
  rebuilder: Rebuilder,
  { topic, partitions }: Present,
  entries: readonly Entry[],
): Promise<void> {
  for (const { atMs, record } of entries) {
    rebuilder.nowMs = atMs
    const tick = { key: null, value: encodeRecord({ kind: 'tick', atMs, writer: 'test' }) }
    for (let partition = 0; partition < partitions; partition++) {
      const isHere = record.key === null || partitionOf(record.key, partitions) === partition
      await rebuilder.log.append(topic, partition, isHere ? [tick, record] : [tick])
    }
  }
}

/** Folds what is on the epoch's topic, and what comes; `caughtUp` resolves when all of now is in the tables. */
export async function startFolding({ log, store }: Rebuilder, epoch: Present) {
  const reached = new Map<number, number>()
  let wake = () => {}
  let failure: Error | undefined
  const failed: ProcessorOptions['failed'] = (_partition, error) => {
    failure = error
    wake()
  }
  const moved = (partition: number, nextOffset: number) => {
    reached.set(partition, nextOffset)
    wake()
  }
  const processor = await startProcessor({
    ...{ log, store, alertsTopic: 'alerts', alertsPartitions, project: 'default', ...epoch },
    ...{ troubled: failed, failed, opened: moved },
    flushed: (partition, _state, nextOffset) => moved(partition, nextOffset),
  })
  return {
    async caughtUp() {
      for (let partition = 0; partition < epoch.partitions; partition++) {
        const { endOffset } = await log.bounds(epoch.topic, partition)
        while ((reached.get(partition) ?? 0) < endOffset) {
          if (failure) throw failure
          await new Promise<void>(resolve => {
            wake = resolve
          })
        }
      }
    },
    stop: () => processor.stop(),
  }
}

export async function foldAll(rebuilder: Rebuilder, epoch: Present): Promise<void> {
  const folding = await startFolding(rebuilder, epoch)
  await folding.caughtUp().finally(() => folding.stop())
}

export function clickOf(
  facts: Partial<Click> & Pick<Click, 'userId' | 'eventId' | 'timestampMs' | 'receivedAtMs'>,
): NewRecord {
  const click: Click = {
    ...{ kind: 'click', anonymousId: null, type: 'track', name: 'page' },
    ...{ url: null, referrer: null, value: null, currency: null, orderId: null },
    ...{ properties: '', context: '', imported: false },
    ...facts,
  }
  return { key: facts.userId, value: encodeRecord(click) }
}

/** What people see, without where it was made. */
export const views: Readonly<Record<string, string>> = {
  clicks:
    'SELECT user_id, timestamp, event_id, type, name, value, order_id, properties, verdict, purchase, amount, clock FROM clicks FINAL ORDER BY ALL',
  rejects:
    'SELECT kind, reason, user_id, event_id, timestamp, bytes, clock FROM rejects FINAL ORDER BY ALL',
  sessions:
    'SELECT user_id, session_id, part, start, end, clicks, first_event, last_event, value, final FROM sessions FINAL ORDER BY ALL',
  users: `SELECT * EXCEPT (state, epoch, partition, version) FROM users FINAL ORDER BY user_id`,
  silences: 'SELECT user_id, state FROM users FINAL ORDER BY user_id',
  user_days: 'SELECT * EXCEPT (epoch, partition, version) FROM user_days FINAL ORDER BY ALL',
  alerts:
    'SELECT * EXCEPT (epoch, partition, offset, precedence) FROM alerts FINAL ORDER BY message_id',
  users_now: 'SELECT * EXCEPT partition FROM users_now ORDER BY user_id',
}

export async function seen({
  store,
}: {
  readonly store: Store
}): Promise<Record<string, unknown[]>> {
  const rows: Record<string, unknown[]> = {}
  for (const [name, sql] of Object.entries(views)) rows[name] = await store.query(sql)
  rows.silences = (rows.silences as { user_id: string; state: string }[]).map(
    ({ user_id, state }) => `${user_id} ${standingJson(restoreUser(user_id, state, 0))}`,
  )
  return rows
}

/** Its log alone gives its tables. */
export async function auditFindsNothing(
  { log, store }: Pick<Rebuilder, 'log' | 'store'>,
  epoch: Present,
): Promise<void> {
  const findings = await audit({ log, store, project: 'default', ...epoch }, 0)
  for (const { examples, notes } of Object.values(findings))
    assert.deepEqual([examples, notes], [[], []])
}

/** By message: the bodies that it was told with. */
export async function messages({ log }: { readonly log: Log }): Promise<Map<string, Set<string>>> {
  const bodies = new Map<string, Set<string>>()
  for (let partition = 0; partition < alertsPartitions; partition++) {
    const { endOffset } = await log.bounds('alerts', partition)
    for (let offset = 0; offset < endOffset; ) {
      for (const record of await log.read('alerts', partition, offset, 1 << 20)) {
        offset = record.offset + 1
        if (decodeErasure(record.value)) continue
        const alert = decodeAlert(record.value)
        assert.ok('messageId' in alert)
        const bytes = bodies.get(alert.messageId) ?? new Set()
        bodies.set(alert.messageId, bytes.add(alert.body))
      }
    }
  }
  return bodies
}
