/** Errors as ClickHouse's HTTP interface tells them: a number, a status, one text. */

import { failureOf } from './failure.ts'

/** Like ClickHouse's exceptionCodeToHTTPStatus; all that is not here is 500. */
const statuses: readonly (readonly [status: number, codes: readonly number[]])[] = [
  [400, [6, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 72, 117, 167, 168, 223, 321, 376, 427, 456]],
  [403, [192, 193, 497, 516]],
  [404, [46, 47, 50, 56, 60, 63, 73, 78, 81, 83, 115, 336]],
  [408, [159]],
  [413, [307]],
  [501, [48]],
  [503, [202, 209, 439]],
]

export interface Exception {
  readonly code: number
  readonly status: number
  readonly text: string
}

export function exceptionOf(error: unknown): Exception {
  const origin = error instanceof Error && error.cause instanceof Error ? error.cause : error
  // 1002 is ClickHouse's UNKNOWN_EXCEPTION.
  const { code = 1002 } = failureOf(origin)
  const status = statuses.find(([, codes]) => codes.includes(code))?.[0] ?? 500
  const message = origin instanceof Error ? origin.message : String(origin)
  const text = /^Code: \d/.test(message) ? message : `Code: ${code}. DB::Exception: ${message}`
  return { code, status, text: `${text.trimEnd()}\n` }
}
