/** The effects of some records as rows of the tables, gathered until the next flush. */
import { slotOf } from '../base/slot.ts'
import type { LogRecord } from '../log/log.ts'
import type { Click, Dead } from '../log/record.ts'
import { rowMoney, rowTime } from '../store/rows.ts'
import { type AlertRows, alertRows } from './alert-row.ts'
import { timesErased } from './erasures.ts'
import type { Effects } from './fold/effects.ts'
import { moneyKind } from './fold/money.ts'
import { rangesOf, type TimeRange } from './fold/settings.ts'
import type { PartitionState } from './fold/state.ts'
import type { Folded } from './folded.ts'
import { dayRow, type Place, precedenceOf, type Row, sessionRow, tombstoneRow } from './rows.ts'

const rejectBytesMax = 64 * 1024

export interface Batch {
  readonly alerts: AlertRows[]
  readonly clicks: Row[]
  readonly rejects: Row[]
  readonly sessions: Row[]
  readonly days: Row[]
  /** Days to be counted again from `clicks`, and when they are in the zone of the click that touched them. */
  readonly oldDays: {
    readonly userId: string
    readonly day: number
    readonly ranges: readonly TimeRange[]
  }[]
  /** And how often each was. */
  readonly erased: Map<string, number>
  /** Of the records that all this came of. */
  recordBytes: number
}

export function createBatch(): Batch {
  return {
    alerts: [],
    clicks: [],
    rejects: [],
    sessions: [],
    days: [],
    oldDays: [],
    erased: new Map(),
    recordBytes: 0,
  }
}

export function batchSize(batch: Batch): number {
  return (
    batch.clicks.length + batch.rejects.length + batch.sessions.length + 4 * batch.alerts.length
  )
}

/** What the fold is doing while it calls the effects: the record and its id. */
export interface Current {
  stored: LogRecord
  messageId: string
}

/** Effects that gather rows in the batch. `current` is kept up to date by the caller. */
export function gatherEffects(folded: Folded, place: Place, current: Current): Effects {
  const { state, erased } = folded
  const batchNow = () => folded.batch
  const clock = () => (Number.isFinite(state.clockMs) ? rowTime(state.clockMs) : 0)
  const clickRow = (click: Click, verdict: string, purchase: boolean, amountMinor: number) => {
    const { offset } = current.stored
    // The accepted row of an identity stands above a late one.
    const rank =
      (verdict === 'accepted' ? 4 : 2) + 4 * timesErased(erased, click.userId, place, offset)
    batchNow().clicks.push({
      slot: slotOf(click.userId),
      user_id: click.userId,
      timestamp: rowTime(click.timestampMs),
      event_id: current.messageId,
      type: click.type,
      name: click.name,
      anonymous_id: click.anonymousId,
      received_at: rowTime(click.receivedAtMs ?? current.stored.appendMs),
      url: click.url,
      referrer: click.referrer,
      value: click.value,
      currency: click.currency,
      order_id: click.orderId,
      properties: click.properties,
      context: click.context,
      imported: click.imported,
      verdict,
      purchase,
      amount: rowMoney(amountMinor),
      clock: clock(),
      ...place,
      offset,
      precedence: precedenceOf(rank, place, offset),
    })
  }
  const reject = (click: Click, kind: string, reason: string, detail: string, bytes: string) =>
    batchNow().rejects.push({
      source: 'log',
      ...place,
      offset: current.stored.offset,
      index: 0,
      kind,
      reason,
      detail,
      user_id: click.userId,
      event_id: current.messageId,
      timestamp: rowTime(click.timestampMs),
      bytes,
      clock: clock(),
    })
  return {
    session: (user, session) =>
      batchNow().sessions.push(sessionRow(place, user, session, true, state.offset)),
    tombstone: (user, sessionId, part) =>
      batchNow().sessions.push(tombstoneRow(place, user, sessionId, part, state.offset)),
    accepted: (click, purchase, amountMinor) => clickRow(click, 'accepted', purchase, amountMinor),
    late(click, byMs, reason, purchase, amountMinor) {
      clickRow(click, 'late', purchase, amountMinor)
      const cut = 'it lies before the cut of its session, or would break a cap'
      const why = reason === 'cut' ? cut : `it came ${byMs} ms behind the late bound`
      reject(click, 'late', reason, `In no session: ${why}.`, '')
    },
    aside(click, amountMinor) {
      clickRow(click, 'aside', false, amountMinor)
      reject(click, 'aside', asideReason(click), 'No activity: counted, and in no session.', '')
    },
    duplicate: click =>
      reject(click, 'duplicate', 'id', 'This id is in an open session already.', bytesOf(current)),
    quarantined(click, reason) {
      const detail =
        reason === 'future'
          ? 'Stamped later than it arrived by more than the skew.'
          : 'Stamped more than 90 days before it arrived.'
      reject(click, 'quarantined', reason, detail, bytesOf(current))
    },
    alert(alert) {
      const times = timesErased(erased, alert.user.id, place, state.offset)
      batchNow().alerts.push(alertRows(state, place, alert, times))
    },
    dayDone: (user, count) => batchNow().days.push(dayRow(place, user, count, state.offset)),
    oldDay: (user, day) =>
      batchNow().oldDays.push({ userId: user.id, day, ranges: rangesOf(state.settings, day) }),
    erased(userId) {
      const at = { epoch: place.epoch, offset: state.offset }
      batchNow().erased.set(userId, erased.note(userId, at))
    },
  }
}

function asideReason(click: Click): string {
  if (click.type === 'identify' || click.type === 'group' || click.type === 'alias')
    return click.type
  return moneyKind(click.name) === 'refund' ? 'refund' : 'server event'
}

/** What stood on the log, readable: JSON as it is, anything else in base64; at most 64 KiB of it. */
function bytesOf(current: Current): string {
  const { value } = current.stored
  if (!value) return ''
  const text = value[0] === 0x7b ? value.toString('utf8') : `base64:${value.toString('base64')}`
  return text.slice(0, rejectBytesMax).toWellFormed()
}

/** The row of a record that is none. */
export function deadRow(state: PartitionState, place: Place, current: Current, dead: Dead): Row {
  return {
    source: 'log',
    ...place,
    offset: current.stored.offset,
    index: 0,
    kind: 'dead',
    reason: dead.reason,
    detail: dead.detail.toWellFormed(),
    user_id: '',
    event_id: '',
    timestamp: null,
    bytes: bytesOf(current),
    clock: Number.isFinite(state.clockMs) ? rowTime(state.clockMs) : 0,
  }
}
