/**
 * The log port: partitions of records that are durable once acknowledged, read again from any offset
 * that is still kept, and owned by one reader of a group at a time.
 *
 * Adapters: embedded.ts (on disk, one process), memory.ts (tests, simulation); Kafka's comes beside them.
 * Every adapter passes test/log/contract.ts.
 */

export interface NewRecord {
  /** The user's id, or null for control records. */
  readonly key: string | null
  readonly value: Buffer | null
}

export interface LogRecord {
  readonly offset: number
  /** When the log took the record, by the log's clock. Never falls within a partition. */
  readonly appendMs: number
  readonly key: string | null
  /** Null is a Kafka tombstone: legal, and nothing Ebb can use. */
  readonly value: Buffer | null
}

export interface TopicSettings {
  /** A power of two; it never changes in place. */
  readonly partitions: number
  /** Whole segments older than this are dropped; Infinity keeps all. */
  readonly retentionMs: number
  /** Whole segments beyond this size are dropped, the oldest first; Infinity keeps all. */
  readonly retentionBytes: number
}

/** The first offset that is kept, and the offset that the next append gets. Equal when nothing is kept. */
export interface Bounds {
  readonly startOffset: number
  readonly endOffset: number
}

/** What an owner may do while it has a partition; each life of it has one. */
export interface Lease {
  /** True from the moment the partition is no longer ours: stop, and write nothing further. */
  readonly lost: boolean
  /** Says that we are alive; to be called at least every few seconds of work. */
  beat(): Promise<void>
  /** The owner cannot go on, as it found beside the records: as if `records` had thrown it. */
  fail(error: unknown): void
  /** A hint for lag displays and nothing else: progress is kept with the data. */
  commit(nextOffset: number): Promise<void>
}

export interface Owner {
  /** The partition became ours: load its state. Resolves to the offset to read from. */
  open(partition: number): Promise<number>
  /** Records in offset order, without gap since the last call; the next call waits for this one. */
  records(partition: number, batch: readonly LogRecord[], lease: Lease): Promise<void>
  /** The partition is no longer ours. While `lost` is false it is given back in order: flush first. */
  close(partition: number, lost: boolean): Promise<void>
  /**
   * The reader of this partition cannot go on: the log has nothing at its offset (see errors.ts), or the
   * owner itself threw. Behind an operating error nothing follows, no close either; it stands still until restarted.
   * A bug (reopening.ts) was closed as lost before, if it was open; `open` follows a little later, or, where another has
   * the partition by then, `close` as lost once more.
   */
  failed(partition: number, error: Error): void
}

export interface Ownership {
  /** Hands back all partitions: waits for running batches, closes each owner's partition. */
  stop(): Promise<void>
}

export interface Log {
  /**
   * Makes the topic if it is missing. Resolves to its real number of partitions, whoever made it; a log of
   * our own takes over the retention of the latest call.
   */
  ensure(topic: string, settings: TopicSettings): Promise<number>
  /** The number of partitions; throws `topicMissing` for a topic that nobody made. */
  partitions(topic: string): Promise<number>
  /**
   * Appends all or nothing, in order, and resolves to the offset of the first record when they are
   * durable (fsync, or min.insync.replicas). A rejection means: unknown, they may be there.
   */
  append(topic: string, partition: number, records: readonly NewRecord[]): Promise<number>
  bounds(topic: string, partition: number): Promise<Bounds>
  /**
   * Records from `offset` on, at most about `bytesMax` of them but at least one; empty at the end.
   * An offset below the start or beyond the end throws `offsetGone`: nothing is skipped silently.
   */
  read(topic: string, partition: number, offset: number, bytesMax: number): Promise<LogRecord[]>
  /** Owns this reader's share of the partitions until stopped. */
  own(topic: string, group: string, owner: Owner): Promise<Ownership>
  close(): Promise<void>
}
