/**
 * A partition's log folded again from its first record, beside the tables: what each record is, the alerts
 * with their bodies, and the state. Where the log no longer begins at its first record the state is unknown;
 * then only what the records are (received or not) is told.
 */
import { createHash } from 'node:crypto'
import { decodeRecord } from '../log/codec.ts'
import type { LogRecord } from '../log/log.ts'
import type { Batch } from '../processor/batch.ts'
import type { Settings } from '../processor/fold/settings.ts'
import { createState, type PartitionState } from '../processor/fold/state.ts'
import { createFolded, recordHash } from '../processor/folded.ts'
import { createRecordFold } from '../processor/record-fold.ts'
import type { Row } from '../processor/rows.ts'
import { readMoney } from '../store/rows.ts'
import { beginningOf, foldWhole, forgetRows } from './beginning.ts'
import { createPace, pieceSize } from './pace.ts'
import { type AuditSource, orderOf } from './source.ts'

/** What a record is; `other` is a control record, or one that this audit cannot judge. */
export const recordKinds = [
  'other',
  'accepted',
  'late',
  'aside',
  'duplicate',
  'quarantined',
  'dead',
  'received',
] as const
export type RecordKind = (typeof recordKinds)[number]

export const blockSize = 4096

/** From this record on these settings hold; `boundMs` is the late bound when they came. */
export interface SettingsSpan {
  readonly partition: number
  readonly order: number
  /** Null: nobody knows any more. */
  readonly settings: Settings | null
  readonly boundMs: number
}

export interface RefoldedAlert {
  readonly userId: string
  /** The columns of its row but the body, as comparable text by name. */
  readonly facts: Readonly<Record<string, string>>
  readonly bodyHash: string
}

export interface Refold {
  readonly partition: number
  readonly state: PartitionState
  /** All logs on the way begin at their first record, so that all of it could be folded. */
  readonly isWhole: boolean
  readonly startOffset: number
  nextOffset: number
  /** Kinds of blockSize records each, as places in recordKinds; by offset / blockSize. */
  readonly blocks: Map<number, Uint8Array>
  /** By message id: what stands in the tables, erased users left out. */
  readonly alerts: Map<string, RefoldedAlert>
  readonly spans: SettingsSpan[]
  /** Users that were erased, with the last record that did so. */
  readonly erased: Map<string, number>
  /** Of the record before nextOffset; empty before the first. */
  lastHash: string
  /** Reads and folds up to there, or to the end of the log. */
  upTo(nextOffset: number): Promise<void>
}

const readBytes = 1024 * 1024

/**
 * `horizonMs`: clicks before this event time are no longer in the tables for sure, so they are `other`.
 * `settings`: those of a log whose beginning is gone, where they are known.
 */
export async function createRefold(
  source: AuditSource,
  partition: number,
  horizonMs: number,
  settings: Settings | null,
): Promise<Refold> {
  const { log, topic, epoch } = source
  const { startOffset } = await log.bounds(topic, partition)
  const place = { epoch, partition }
  const beginning = await beginningOf(source, partition)
  const isWhole = beginning !== undefined
  const folded = createFolded(beginning ?? createState(source.project), startOffset, '')
  const { state } = folded
  const records = createRecordFold(folded, place)
  const refold: Refold = {
    partition,
    state,
    isWhole,
    startOffset,
    nextOffset: startOffset,
    blocks: new Map(),
    alerts: new Map(),
    spans: [
      {
        partition,
        order: isWhole ? orderOf(epoch, startOffset) : 0,
        settings: isWhole ? state.settings : settings,
        boundMs: state.boundMs,
      },
    ],
    erased: new Map(),
    lastHash: '',
    async upTo(nextOffset) {
      const { endOffset } = await log.bounds(topic, partition)
      const end = Math.min(nextOffset, endOffset)
      const rest = createPace(source)
      while (refold.nextOffset < end) {
        for (const stored of await log.read(topic, partition, refold.nextOffset, readBytes)) {
          if (stored.offset >= end) break
          // Behind the Seal nothing is folded; what stands there was carried over.
          if (state.sealed) setKind(refold, stored.offset, 'other')
          else if (isWhole) foldOne(stored)
          else setKind(refold, stored.offset, outwardKind(stored, horizonMs))
          refold.nextOffset = stored.offset + 1
          refold.lastHash = stored.offset + 1 === end ? recordHash(stored) : ''
          if (stored.offset % pieceSize === 0) await rest()
        }
        await rest()
      }
    },
  }

  function foldOne(stored: LogRecord): void {
    const before = state.settings
    foldWhole(records, stored)
    harvest(refold, folded.batch, stored.offset, horizonMs)
    forgetRows(folded)
    if (state.settings === before) return
    const order = orderOf(epoch, stored.offset)
    refold.spans.push({ partition, order, settings: state.settings, boundMs: state.boundMs })
  }
  return refold
}

function setKind(refold: Refold, offset: number, kind: RecordKind): void {
  const number = Math.floor(offset / blockSize)
  let block = refold.blocks.get(number)
  if (!block) {
    block = new Uint8Array(blockSize)
    refold.blocks.set(number, block)
  }
  block[offset - number * blockSize] = recordKinds.indexOf(kind)
}

/** What a record is by itself, without the fold. */
function outwardKind(stored: LogRecord, horizonMs: number): RecordKind {
  const record = decodeRecord(stored.value)
  if (record.kind === 'dead') return 'received'
  return record.kind === 'click' && record.timestampMs >= horizonMs ? 'received' : 'other'
}

/** What the fold of one record wrote. */
function harvest(refold: Refold, batch: Batch, offset: number, horizonMs: number): void {
  const row = batch.rejects[0] ?? batch.clicks[0]
  if (row) {
    const kind = (row.kind ?? row.verdict) as RecordKind
    const isKept = row.timestamp === null || Number(row.timestamp) >= horizonMs
    setKind(refold, offset, isKept ? kind : 'other')
  }
  for (const userId of batch.erased.keys()) {
    refold.erased.set(userId, offset)
    for (const [id, alert] of refold.alerts) if (alert.userId === userId) refold.alerts.delete(id)
  }
  for (const { row: alert } of batch.alerts) {
    const id = String(alert.message_id)
    if (refold.alerts.has(id)) continue
    const facts = Object.fromEntries(alertColumns.map(name => [name, alertText(name, alert[name])]))
    const bodyHash = hashOf(String(alert.body))
    refold.alerts.set(id, { userId: String(alert.user_id), facts, bodyHash })
  }
}

export const alertColumns = [
  'alert_id',
  'rule_id',
  'rule_version',
  'user_id',
  'status',
  'reason',
  'since',
  'due',
  'threshold_ms',
  'covers_ms',
  'tier',
  'value',
  'send',
  'clock',
  'offset',
] as const

/** One value of an alert's row as text: equal ones are equal, from the fold and from the table. */
export function alertText(name: (typeof alertColumns)[number], value: Row[string]): string {
  if (name === 'value') return String(readMoney(String(value)))
  if (Array.isArray(value)) return value.join(' ')
  return String(value)
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
