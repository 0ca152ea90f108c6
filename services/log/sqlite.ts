/**
 * Batches in SQLite. Write-ahead log with synchronous=FULL: a commit returns after fsync. One connection that
 * locks the file for itself, so two Ebbs can never append to one log; the kernel unlocks it, even after kill -9.
 *
 * The file does not shrink: what retention drops is room for what comes.
 */
import { DatabaseSync } from 'node:sqlite'
import { assert, EbbError } from '../base/errors.ts'
import type { TopicSettings } from './log.ts'
import { packRecords, unpackRecords } from './pack.ts'
import type { BatchHead, PartitionState, Storage, StoredTopic } from './storage.ts'

/** After a large append the write-ahead file is cut back to this. */
const journalBytesMax = 64 * 1024 * 1024

const tables = `
  CREATE TABLE IF NOT EXISTS topics (
    name TEXT PRIMARY KEY,
    retention_ms REAL NOT NULL,
    retention_bytes REAL NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS partitions (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    number INTEGER NOT NULL,
    start_offset INTEGER NOT NULL,
    end_offset INTEGER NOT NULL,
    append_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    UNIQUE (topic, number)
  ) STRICT;
  -- records last: the other columns are read without it.
  CREATE TABLE IF NOT EXISTS batches (
    partition_id INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    append_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    records BLOB NOT NULL,
    PRIMARY KEY (partition_id, first_offset)
  ) STRICT;
`

/** Throws `directoryLocked` while another connection, of any process, has the file. */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  try {
    // Exclusive before WAL: the index of the write-ahead log then lives in memory, not in a shared file.
    database.exec('PRAGMA locking_mode = EXCLUSIVE')
    const { journal_mode } = database.prepare('PRAGMA journal_mode = WAL').get()!
    database.exec('PRAGMA synchronous = FULL')
    const { synchronous } = database.prepare('PRAGMA synchronous').get()!
    assert(journal_mode === 'wal' && synchronous === 2, 'a commit of the log is an fsync')
    database.exec(`PRAGMA journal_size_limit = ${journalBytesMax}`)
    return database
  } catch (error) {
    database.close()
    throw resultCode(error) === sqliteBusy
      ? new EbbError('directoryLocked', `Another process has ${path}.`, { cause: error })
      : operating(error)
  }
}

export function sqliteStorage(database: DatabaseSync): Storage {
  const transact = transactions(database)
  transact(() => database.exec(tables))
  const insertBatch = database.prepare('INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)')
  const updatePartition = database.prepare(
    'UPDATE partitions SET start_offset = ?, end_offset = ?, append_ms = ?, size_bytes = ? WHERE id = ?',
  )
  const deleteBatches = database.prepare(
    'DELETE FROM batches WHERE partition_id = ? AND first_offset < ?',
  )
  const selectBatch = database.prepare(
    `SELECT first_offset AS firstOffset, append_ms AS appendMs, records FROM batches
     WHERE partition_id = ? AND first_offset <= ? ORDER BY first_offset DESC LIMIT 1`,
  )
  const selectHead = database.prepare(
    `SELECT next_offset AS nextOffset, append_ms AS appendMs, size_bytes AS sizeBytes FROM batches
     WHERE partition_id = ? AND first_offset = ?`,
  )

  function update(state: PartitionState): void {
    const { id, startOffset, endOffset, appendMs, sizeBytes } = state
    updatePartition.run(startOffset, endOffset, appendMs, sizeBytes, id)
  }

  return {
    topics: () => selectTopics(database),
    create(name, settings) {
      transact(() => insertTopic(database, name, settings))
      return selectTopics(database).find(topic => topic.name === name)!
    },
    setRetention(name, { retentionMs, retentionBytes }) {
      transact(() =>
        database
          .prepare('UPDATE topics SET retention_ms = ?, retention_bytes = ? WHERE name = ?')
          .run(retentionMs, retentionBytes, name),
      )
    },
    write(batches, states) {
      transact(() => {
        for (const { partitionId, offset, appendMs, sizeBytes, records } of batches) {
          const nextOffset = offset + records.length
          const blob = packRecords(records)
          insertBatch.run(partitionId, offset, nextOffset, appendMs, sizeBytes, blob)
        }
        for (const state of states) update(state)
      })
    },
    read(partitionId, offset) {
      const row = selectBatch.get(partitionId, offset) as unknown as BatchRow | undefined
      assert(row, 'an offset within the bounds is in a batch')
      const { buffer, byteOffset, byteLength } = row.records
      return unpackRecords(Buffer.from(buffer, byteOffset, byteLength), row, offset)
    },
    head(partitionId, offset) {
      const head = selectHead.get(partitionId, offset) as unknown as BatchHead | undefined
      assert(head, 'the oldest batch begins at the start of the partition')
      return head
    },
    drop(state) {
      transact(() => {
        deleteBatches.run(state.id, state.startOffset)
        update(state)
      })
    },
    close: () => database.close(),
  }
}

interface BatchRow {
  readonly firstOffset: number
  readonly appendMs: number
  readonly records: Uint8Array<ArrayBuffer>
}

function insertTopic(database: DatabaseSync, name: string, settings: TopicSettings): void {
  const { retentionMs, retentionBytes, partitions } = settings
  database.prepare('INSERT INTO topics VALUES (?, ?, ?)').run(name, retentionMs, retentionBytes)
  const insert = database.prepare(
    'INSERT INTO partitions (topic, number, start_offset, end_offset, append_ms, size_bytes) VALUES (?, ?, 0, 0, 0, 0)',
  )
  for (let number = 0; number < partitions; number++) insert.run(name, number)
}

function selectTopics(database: DatabaseSync): StoredTopic[] {
  const partitionsOf = database.prepare(
    `SELECT id, start_offset AS startOffset, end_offset AS endOffset, append_ms AS appendMs,
            size_bytes AS sizeBytes
     FROM partitions WHERE topic = ? ORDER BY number`,
  )
  const topics = database.prepare(
    'SELECT name, retention_ms AS retentionMs, retention_bytes AS retentionBytes FROM topics',
  )
  return topics.all().map(row => {
    const { name, retentionMs, retentionBytes } = row as unknown as TopicRow
    const partitions = partitionsOf.all(name) as unknown as PartitionState[]
    const settings = { partitions: partitions.length, retentionMs, retentionBytes }
    return { name, settings, partitions }
  })
}

interface TopicRow {
  readonly name: string
  readonly retentionMs: number
  readonly retentionBytes: number
}

/** Runs work in one transaction: durable when it returns, undone when it throws. */
function transactions(database: DatabaseSync): (work: () => void) => void {
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  return work => {
    try {
      begin.run()
      work()
      commit.run()
    } catch (error) {
      // Some errors have rolled back already: a full disk does.
      if (database.isTransaction) database.exec('ROLLBACK')
      throw operating(error)
    }
  }
}

const sqliteBusy = 5
const sqliteFull = 13

/** SQLite's primary result code; the rest of the number says where it happened. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error && 'errcode' in error)) return undefined
  return Number(error.errcode) & 0xff
}

function operating(error: unknown): unknown {
  if (resultCode(error) !== sqliteFull) return error
  return new EbbError('logFull', 'The disk of the log is full.', { cause: error })
}
