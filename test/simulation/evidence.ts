/** What a run leaves behind for the checkers: they know of no scenario, only of this. */

import type { Row, Tables } from './clickhouse/tables.ts'
import type { JournalEntry } from './clients.ts'
import type { Acknowledged } from './kafka/log-port.ts'
import type { Topics } from './kafka/topics.ts'
import type { Plan } from './plan.ts'
import type { Post, Received } from './receivers.ts'

export interface LogLine {
  readonly by: string
  readonly level: string
  readonly text: string
}

/** A partition stood still, or a process ended by itself. */
export interface Failure {
  readonly atMs: number
  readonly by: string
  readonly partition: number | null
  readonly error: unknown
}

export interface Evidence {
  readonly plan: Plan
  readonly topics: Topics
  readonly tables: Tables
  /** Every insert that was applied, in order. */
  readonly inserts: readonly {
    readonly atMs: number
    readonly table: string
    readonly rows: readonly Row[]
  }[]
  readonly opened: readonly {
    readonly partition: number
    readonly nextOffset: number
    /** What the table said then; null: nothing. */
    readonly storedOffset: number | null
  }[]
  readonly acknowledged: readonly Acknowledged[]
  readonly journal: ReadonlyMap<string, JournalEntry>
  readonly answers: readonly string[]
  readonly received: readonly Received[]
  readonly posts: readonly Post[]
  readonly logs: readonly LogLine[]
  readonly failures: readonly Failure[]
  /** Deaths, pauses and losses of webhooks, each of which may leave attempts nobody knows of. */
  readonly disturbances: number
  /** Requests that a restore of the tables made nobody remember. */
  readonly excusedRepeats: number
  /** All that was under way came to its end in time. */
  readonly settled: boolean
  readonly unsettled: string
}

/** What is wrong, as sentences; it begins with the invariant's name. */
export type Checker = (evidence: Evidence) => string[]
