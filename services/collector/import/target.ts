/** Where an import goes: what the executable supplies, over the running Ebb or the directory itself. */
import type { Bounds, LogRecord, NewRecord } from '../../log/log.ts'
import type { Rejected, SortedClicks } from './read.ts'

export interface ImportTarget {
  readonly mode: 'historic' | 'live'
  /** The historic clock of the project: the latest of its partitions. Null: nothing was imported yet. */
  readonly clockMs: number | null
  readonly partitions: number
  /** For what does not fit into memory; best on the disk of the data. */
  readonly temporaryDirectory: string
  /** Durable when it resolves; all or nothing. A rejection means: unknown, they may be there. */
  append(partition: number, records: readonly NewRecord[]): Promise<unknown>
  bounds(partition: number): Promise<Bounds>
  /** As Log.read. */
  read(partition: number, offset: number, bytesMax: number): Promise<readonly LogRecord[]>
  /** To the table `rejects`, with the source `import`. */
  reject(rows: readonly Rejected[]): Promise<void>
  /** What the fold said of the clicks, once it has read them all. */
  verdicts?(): Promise<{ readonly accepted: number; readonly late: number }>
  close(): Promise<void>
}

/** What is done with the clicks: on the log (append.ts), or on standard output (print.ts). */
export interface Sink {
  /** What is done with a click, as the summary says it. */
  readonly verb: 'appended' | 'printed' | 'taken'
  /** Throws a sentence if nothing may be written at all; before any file is read. */
  ready(): void
  write(clicks: SortedClicks, onClicks: (written: number) => void): Promise<Written>
}

export interface Written {
  readonly written: number
  /** Clicks that an earlier run of this import had written. */
  readonly alreadyThere: number
}
