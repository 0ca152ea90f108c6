/** What becomes of a delivery, as the row that says so. Pure. */
import type { AlertRecord } from '../log/record.ts'
import { rowTime } from '../store/rows.ts'
import type { Answer } from './deliver.ts'
import type { DeliveryRow, DeliveryStatus } from './deliveries.ts'
import { retryDelayMs } from './schedule.ts'

/** The end of a delivery without a further attempt. */
export interface Ending {
  readonly status: Extract<DeliveryStatus, 'dead' | 'stale' | 'cancelled'>
  /** Why, in a few words. */
  readonly error: string
}

export const endings = {
  stale: { status: 'stale', error: 'older than max_age at its first attempt' },
  returned: { status: 'cancelled', error: 'the user returned' },
  erased: { status: 'cancelled', error: 'the user was erased' },
  endpointRemoved: { status: 'cancelled', error: 'the endpoint was removed' },
  endpointDisabled: { status: 'dead', error: 'the endpoint is disabled' },
  bodyGone: { status: 'dead', error: 'its alert is no longer on the log' },
} as const satisfies Record<string, Ending>

/**
 * Above all others of an attempt: who lost the partition while its attempt hung writes it as failed, perhaps
 * after the new owner has made the same attempt and was heard.
 */
const deliveredVersion = 1_000
/** Above what such a one writes as failed: nobody goes on with it. */
const deadVersion = 500

/** A delivery that was never tried: attempt 0. */
export function freshRow(alert: AlertRecord, endpointId: string, nowMs: number): DeliveryRow {
  return {
    message_id: alert.messageId,
    endpoint_id: endpointId,
    attempt: 0,
    user_id: alert.userId,
    alert_id: alert.alertId,
    status: 'pending',
    code: 0,
    error: '',
    duration_ms: 0,
    at: rowTime(nowMs),
    next_at: rowTime(nowMs),
    version: 1,
    epoch: alert.epoch,
    offset: alert.offset,
  }
}

/** The row of the latest attempt again, saying that no further one will come. */
export function endedRow(row: DeliveryRow, ending: Ending): DeliveryRow {
  return { ...row, ...ending, next_at: null, version: row.version + 1 }
}

/** 2xx alone is success. */
export function isSuccess({ code }: Answer): boolean {
  return code >= 200 && code < 300
}

/** The row of the attempt that got this answer. */
export function attemptRow(
  before: DeliveryRow,
  answer: Answer,
  options: {
    readonly scheduleMs: readonly number[]
    readonly random: () => number
    readonly startMs: number
    readonly endMs: number
  },
): DeliveryRow {
  const attempt = before.attempt + 1
  const row = {
    ...before,
    attempt,
    code: answer.code,
    error: answer.error,
    duration_ms: answer.durationMs,
    at: rowTime(options.startMs),
    next_at: null,
    version: 1,
  }
  if (isSuccess(answer)) return { ...row, status: 'delivered', version: deliveredVersion }
  const dead: DeliveryRow = { ...row, status: 'dead', version: deadVersion }
  if (answer.code === 410) return dead
  const { scheduleMs, random } = options
  const delayMs = retryDelayMs({
    scheduleMs,
    random,
    attempts: attempt,
    retryAfterMs: answer.retryAfterMs,
  })
  if (delayMs === undefined) return dead
  return { ...row, status: 'failed', next_at: rowTime(options.endMs + delayMs) }
}

/** Whether it tells of an attempt, and not that no further one will come. */
export function isOfAttempt({ attempt, version }: DeliveryRow): boolean {
  return attempt > 0 && [1, deadVersion, deliveredVersion].includes(version)
}

/** Why nothing may be sent to it. */
export function refusal(endpoint: { readonly disabled: boolean } | undefined): Ending | undefined {
  if (!endpoint) return endings.endpointRemoved
  return endpoint.disabled ? endings.endpointDisabled : undefined
}

/**
 * A silence that nobody was told of in time is told no more. It counts from due; where the alert itself was
 * made later than that allows (the user only then became subject to the rule), from when it was made.
 */
export function isOldNews(alert: Omit<AlertRecord, 'body'>, nowMs: number): boolean {
  if (alert.status !== 'fired') return false
  const { dueMs, clockMs, maxAgeMs } = alert
  return nowMs - (clockMs - dueMs > maxAgeMs ? clockMs : dueMs) > maxAgeMs
}
