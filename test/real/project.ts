/** A project of real parts for a whole test file: an embedded log or one in memory, and the engine in process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logSink } from '../../services/collector/import/append.ts'
import { importFiles, type Summary } from '../../services/collector/import/import.ts'
import { readMapping } from '../../services/collector/import/mapping.ts'
import type { ImportTarget } from '../../services/collector/import/target.ts'
import { rejectRows } from '../../services/control/import.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Control } from '../../services/log/record.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { foldAll, makeTopics } from '../processor/fold-all.ts'
import { mappings } from './files.ts'

export interface Project {
  readonly directory: string
  readonly partitions: number
  readonly log: Log
  readonly store: EmbeddedStore
  /** What the log's clock shows: it stamps what is appended. */
  nowMs: number
  /** All that is on the log is folded by the real processor, which then stops: the next call restores it. */
  fold(): Promise<void>
  /** The record to every partition, at the log's present time. */
  broadcast(record: Control): Promise<void>
  /** Lets go of log and store; the directory stays, for another process. */
  release(): Promise<void>
  close(): Promise<void>
}

export async function openProject(options: {
  readonly log: 'embedded' | 'memory'
  readonly partitions: number
  /** The engine opens one directory in a process: a second project has its tables beside those of the first. */
  readonly beside?: Project
}): Promise<Project> {
  const { partitions, beside } = options
  const directory = beside?.directory ?? mkdtempSync(join(tmpdir(), 'ebb-real-'))
  const clock = () => project.nowMs
  const log =
    options.log === 'memory'
      ? openMemoryLog({ clock })
      : await openEmbeddedLog({ directory: join(directory, 'log'), clock })
  const store = await openEmbeddedStore({
    directory: join(directory, 'clickhouse'),
    database: beside ? 'ebb_beside' : 'ebb',
  })
  await migrate(store)
  await makeTopics(log, partitions)
  let released = false
  const project: Project = {
    directory,
    partitions,
    log,
    store,
    nowMs: 0,
    fold: () => foldAll(log, store),
    async broadcast(record) {
      const value = encodeRecord(record)
      for (let partition = 0; partition < partitions; partition++)
        await log.append('clicks', partition, [{ key: null, value }])
    },
    async release() {
      if (released) return
      released = true
      await log.close()
      await store.close()
    },
    async close() {
      await project.release()
      if (!beside) rmSync(directory, { recursive: true, force: true })
    },
  }
  return project
}

/** The import of a file as `ebb import` makes it; its rejects stand in the project's table. */
export function importFile(project: Project, file: string): Promise<Summary> {
  const { log, store, directory, partitions } = project
  const target: ImportTarget = {
    mode: 'historic',
    clockMs: null,
    partitions,
    temporaryDirectory: directory,
    append: (partition, records) => log.append('clicks', partition, records),
    bounds: partition => log.bounds('clicks', partition),
    read: (partition, offset, bytesMax) => log.read('clicks', partition, offset, bytesMax),
    reject: async rows => {
      const texts = rows.map(({ bytes, ...row }) => ({ ...row, text: bytes.toString('utf8') }))
      await rejectRows(store, texts, importedMs)
    },
    close: async () => undefined,
  }
  return importFiles({
    files: [file],
    mapping: readMapping(mappings[file]!),
    sink: logSink(target),
    temporaryDirectory: directory,
    stdin: process.stdin,
    nowMs: () => importedMs,
    reject: target.reject,
    onProgress: () => undefined,
  })
}

/** The wall clock of the imports: later than all that the files hold. */
const importedMs = Date.UTC(2026, 0, 1)
