/** When a failed delivery is tried again: Standard Webhooks' schedule, 10 attempts over 75 h 35 min 5 s. */

const [secondMs, minuteMs, hourMs] = [1000, 60_000, 3_600_000]

/** The wait before attempt 1, 2, ...; after the last one the delivery is dead. */
export const specScheduleMs: readonly number[] = [
  0,
  5 * secondMs,
  5 * minuteMs,
  30 * minuteMs,
  2 * hourMs,
  5 * hourMs,
  10 * hourMs,
  14 * hourMs,
  20 * hourMs,
  24 * hourMs,
]

/** Waits differ by up to a fifth either way, so that what failed together does not return together. */
const jitterShare = 0.2

/** Retry-After as a wait: seconds or a date; undefined for all else. */
export function retryAfterMs(
  header: string | string[] | undefined,
  wallMs: number,
): number | undefined {
  if (typeof header !== 'string') return undefined
  const text = header.trim()
  if (/^\d+$/.test(text)) return Number(text) * secondMs
  // RFC 9110's date alone: Date.parse would take `1.5` for a day in May 2001.
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text))
    return undefined
  const dateMs = Date.parse(text)
  return Number.isNaN(dateMs) ? undefined : dateMs - wallMs
}

/**
 * The wait after `attempts` of them failed; undefined: no further one. What the receiver asked for counts
 * within [base, twice base]: it can slow us down, neither hurry nor park us.
 */
export function retryDelayMs(options: {
  readonly scheduleMs: readonly number[]
  readonly attempts: number
  readonly retryAfterMs: number | undefined
  /** In [0, 1). */
  readonly random: () => number
}): number | undefined {
  const baseMs = options.scheduleMs[options.attempts]
  if (baseMs === undefined) return undefined
  if (options.retryAfterMs !== undefined)
    return Math.min(Math.max(options.retryAfterMs, baseMs), 2 * baseMs)
  return Math.round(baseMs * (1 - jitterShare + 2 * jitterShare * options.random()))
}
