/** ClickHouse's errors as Ebb's, by what helps: to wait and try again, or to mend the query. */

import { AssertionError, EbbError } from '../base/errors.ts'

/** These pass by themselves. Any other code would come again with the same query. */
export const passing: Readonly<Record<number, string>> = {
  3: 'UNEXPECTED_END_OF_FILE',
  74: 'CANNOT_READ_FROM_FILE_DESCRIPTOR',
  75: 'CANNOT_WRITE_TO_FILE_DESCRIPTOR: a disk that is full or ill',
  76: 'CANNOT_OPEN_FILE',
  159: 'TIMEOUT_EXCEEDED',
  173: 'CANNOT_ALLOCATE_MEMORY',
  198: 'DNS_ERROR',
  201: 'QUOTA_EXCEEDED',
  202: 'TOO_MANY_SIMULTANEOUS_QUERIES',
  209: 'SOCKET_TIMEOUT',
  210: 'NETWORK_ERROR',
  225: 'NO_ZOOKEEPER: a replica that has lost its keeper',
  236: 'ABORTED: the server is stopping',
  241: 'MEMORY_LIMIT_EXCEEDED',
  242: 'TABLE_IS_READ_ONLY: a replica without its keeper',
  243: 'NOT_ENOUGH_SPACE',
  244: 'UNEXPECTED_ZOOKEEPER_ERROR',
  252: 'TOO_MANY_PARTS',
  279: 'ALL_CONNECTION_TRIES_FAILED',
  285: 'TOO_FEW_LIVE_REPLICAS',
  286: 'UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE',
  289: 'REPLICA_IS_NOT_IN_QUORUM',
  319: 'UNKNOWN_STATUS_OF_INSERT',
  394: 'QUERY_WAS_CANCELLED',
  425: 'SYSTEM_ERROR',
  439: 'CANNOT_SCHEDULE_TASK',
  473: 'DEADLOCK_AVOIDED',
  733: 'TABLE_IS_BEING_RESTARTED',
  999: 'KEEPER_EXCEPTION',
}

interface Failure {
  /** ClickHouse's number; undefined when the query never got an answer from it. */
  readonly code: number | undefined
  /** ClickHouse's name for it, e.g. UNKNOWN_TABLE, or empty. */
  readonly type: string
  /** The first line, without the piece of input at which a parser stopped: that is somebody's data. */
  readonly message: string
}

/** How the engine ends what it says: its name for the error, and sometimes its version. */
const ending = /\s*\(([A-Z0-9_]+)\)\.?(?:\s*\(version .*\)\.?)?\s*$/

/** Reads what the client, chdb's adapter or chdb itself throws. */
export function failureOf(error: unknown): Failure {
  const whole = error instanceof Error ? error.message : String(error)
  const coded = error as { code?: unknown; type?: unknown; clickhouseCode?: unknown }
  const inText = /Code: (\d+)\. DB::Exception: /.exec(whole)
  const number = Number(
    coded.clickhouseCode ?? (/^\d+$/.test(String(coded.code)) ? coded.code : inText?.[1]),
  )
  const text = whole.replaceAll(/Code: \d+\. DB::Exception: /g, '')
  const firstLine = text.split('\n', 1)[0]!
  const type = typeof coded.type === 'string' ? coded.type : (ending.exec(whole)?.[1] ?? '')
  const message = firstLine
    .replace(ending, '')
    .replace(/ before: '.*'(?=: \(|$)/, '')
    .trim()
  return { code: Number.isInteger(number) ? number : undefined, type, message }
}

const memoryLimitExceeded = 241

/** Whether the query took more memory than it may: less of the same may pass at once. */
export function isTooMuch({ cause }: EbbError): boolean {
  return cause !== undefined && failureOf(cause).code === memoryLimitExceeded
}

/** An error in ClickHouse's words, for what is refused before it reaches the engine. */
export function exception(code: number, type: string, message: string): Error {
  return new Error(`Code: ${code}. DB::Exception: ${message} (${type})`)
}

/** `doing` ends the sentence "ClickHouse refused ...". */
export function storeError(error: unknown, doing: string): EbbError | AssertionError {
  if (error instanceof EbbError || error instanceof AssertionError) return error
  const { code, type, message } = failureOf(error)
  const refused = code === undefined || code in passing
  const number = code === undefined ? '' : ` (${[code, type].filter(Boolean).join(' ')})`
  return new EbbError(
    refused ? 'storeRefused' : 'storeRejected',
    `ClickHouse refused ${doing}${number}: ${message}`,
    { cause: error },
  )
}
