/**
 * Where a log of this process keeps its batches: memory.ts in arrays, sqlite.ts on disk. All rules of the
 * log port stand above it, in local.ts, so that the simulator runs what production runs. Synchronous: nothing
 * can happen between looking at the end of a partition and waiting for more.
 */
import type { LogRecord, NewRecord, TopicSettings } from './log.ts'

/** A run of consecutive records that were appended together: what is written and dropped as one. */
export interface Batch {
  readonly partitionId: number
  /** Of the first record. */
  readonly offset: number
  readonly appendMs: number
  readonly sizeBytes: number
  readonly records: readonly NewRecord[]
}

/** Offsets are never used twice: endOffset never falls, even when nothing is kept. */
export interface PartitionState {
  /** Unique among all topics. */
  readonly id: number
  readonly startOffset: number
  readonly endOffset: number
  /** Of the last record ever appended; 0 before the first. */
  readonly appendMs: number
  /** The sum over the kept batches. */
  readonly sizeBytes: number
}

export interface StoredTopic {
  readonly name: string
  readonly settings: TopicSettings
  /** By number of partition. */
  readonly partitions: readonly PartitionState[]
}

export interface Storage {
  topics(): StoredTopic[]
  create(name: string, settings: TopicSettings): StoredTopic
  setRetention(name: string, settings: TopicSettings): void
  /** When it returns, all of it is durable; when it throws, nothing is there. */
  write(batches: readonly Batch[], states: readonly PartitionState[]): void
  /** The records of the batch that holds `offset`, from there on. */
  read(partitionId: number, offset: number): LogRecord[]
  /** The batch that begins at `offset`, without its records. */
  head(partitionId: number, offset: number): BatchHead
  /** Drops the batches below the state's start, and keeps the state. */
  drop(state: PartitionState): void
  close(): void
}

export interface BatchHead {
  readonly nextOffset: number
  readonly appendMs: number
  readonly sizeBytes: number
}

/** What a record counts for all limits: its bytes, and something for its place, so that nulls count too. */
export function recordBytes(record: NewRecord): number {
  return 16 + (record.key?.length ?? 0) + (record.value?.length ?? 0)
}
