/**
 * `ebb import`: files of history into clicks, in order of time.
 *
 *   inspect ──► read rows ──► drafts ──► (orders added up) ──► sort by time ──► sink: the log, or `--print`
 *      │            └─► reject: a bad row, with its line         └─ spills to disk
 *      └─► refuses what cannot work at all, before anything was changed
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { EbbError } from '../../base/errors.ts'
import { timeMsMax } from '../../log/record.ts'
import type { Mapping } from './mapping.ts'
import { type ReadCounts, type Rejected, readClicks } from './read.ts'
import { checkColumns } from './rows.ts'
import { inspect, type Source, spool } from './source.ts'
import type { Sink, Written } from './target.ts'

export interface ImportInput {
  /** `-` is standard input. */
  readonly files: readonly string[]
  readonly mapping: Mapping
  readonly sink: Sink
  /** Gets a folder of ours while we run. */
  readonly temporaryDirectory: string
  readonly stdin: Readable
  nowMs(): number
  /** Rows that are no clicks, as they are met; the next block of rows waits for it. */
  reject(rows: readonly Rejected[]): Promise<void>
  onProgress(progress: Progress): void
  /** Of clicks in memory; beyond it they are sorted on the disk. */
  readonly sortMemoryBytesMax?: number
}

export interface Progress {
  readonly stage: 'checking' | 'reading' | 'sorting' | 'writing'
  /** Bytes of the files in the first two stages, clicks when writing. */
  readonly done: number
  readonly total: number
  readonly rows: number
}

export interface Summary extends Written {
  readonly counts: ReadCounts
  readonly clicks: number
  readonly zoneName: string
}

const sortMemoryBytesMax = 64 * 1024 * 1024
/** A time further ahead is a mistake; it would carry the project's clock there, and no click after it would count. */
const futureMsMax = 24 * 3_600_000

export async function importFiles(input: ImportInput): Promise<Summary> {
  input.sink.ready()
  const directory = openDirectory(input.temporaryDirectory)
  try {
    const sources = await inspectAll(input, directory)
    const total = sizeOf(sources)
    const { clicks, counts } = await readClicks(sources, {
      mapping: input.mapping,
      latestMs: Math.min(input.nowMs() + futureMsMax, timeMsMax),
      directory,
      memoryBytesMax: input.sortMemoryBytesMax ?? sortMemoryBytesMax,
      reject: input.reject,
      onBlock: ({ rows }, done) => input.onProgress({ stage: 'reading', done, total, rows }),
      onSorting: ({ rows }) => input.onProgress({ stage: 'sorting', done: total, total, rows }),
    })
    const { rows } = counts
    const written = await input.sink.write(clicks, done =>
      input.onProgress({ stage: 'writing', done, total: clicks.count, rows }),
    )
    return { ...written, counts, clicks: clicks.count, zoneName: input.mapping.zone.name }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const directoryPrefix = 'import-'

/** A folder with our process id in its name; those of imports that were killed go away. */
function openDirectory(parent: string): string {
  mkdirSync(parent, { recursive: true })
  for (const name of readdirSync(parent)) {
    const processId = new RegExp(`^${directoryPrefix}(\\d+)-`).exec(name)?.[1]
    if (processId !== undefined && !isAlive(Number(processId)))
      rmSync(join(parent, name), { recursive: true, force: true })
  }
  return mkdtempSync(join(parent, `${directoryPrefix}${process.pid}-`))
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    // Not ours to signal is alive as well.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function inspectAll(input: ImportInput, directory: string): Promise<Source[]> {
  const sources: Source[] = []
  for (const file of input.files) {
    const path = file === '-' ? join(directory, 'stdin') : file
    if (file === '-') await spool(input.stdin, path)
    const before = sizeOf(sources)
    const source = await inspect(file === '-' ? 'standard input' : file, path, done =>
      input.onProgress({ stage: 'checking', done: before + done, total: 0, rows: 0 }),
    )
    const twin = sources.find(
      other => other.format !== 'empty' && other.contentHash === source.contentHash,
    )
    if (twin)
      throw new EbbError('badInput', `${twin.name} and ${source.name} have the same content.`)
    await checkColumns(source, input.mapping)
    sources.push(source)
  }
  return sources
}

function sizeOf(sources: readonly Source[]): number {
  return sources.reduce((sum, source) => sum + source.sizeBytes, 0)
}
