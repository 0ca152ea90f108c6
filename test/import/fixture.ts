/** An import without a terminal, a clock or a disk of its own; what a test sets is what it is about. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { logSink } from '../../services/collector/import/append.ts'
import {
  type ImportInput,
  importFiles,
  type Summary,
} from '../../services/collector/import/import.ts'
import { type MappingOptions, readMapping } from '../../services/collector/import/mapping.ts'
import { printSink } from '../../services/collector/import/print.ts'
import type { Rejected } from '../../services/collector/import/read.ts'
import type { ImportTarget } from '../../services/collector/import/target.ts'
import { decodeRecord } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { ClicksRecord, Dead } from '../../services/log/record.ts'

export const nowMs = Date.parse('2026-03-01T12:00:00Z')
const topic = 'clicks'

/** A folder that is gone after the test. */
export function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ebb-import-test-'))
  context.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export function file(context: TestContext, name: string, content: string | Buffer): string {
  const path = join(folder(context), name)
  writeFileSync(path, content)
  return path
}

export interface Run {
  readonly summary: Summary
  readonly rejected: readonly Rejected[]
}

async function run(
  files: readonly string[],
  options: MappingOptions,
  input: Partial<ImportInput> & Pick<ImportInput, 'sink' | 'temporaryDirectory'>,
): Promise<Run> {
  const rejected: Rejected[] = []
  const summary = await importFiles({
    files,
    mapping: readMapping(options),
    stdin: Readable.from([]),
    nowMs: () => nowMs,
    reject: async rows => void rejected.push(...rows),
    onProgress: () => undefined,
    ...input,
  })
  return { summary, rejected }
}

/** What `--print` writes. */
export async function print(
  files: string | readonly string[],
  options: MappingOptions = {},
  input: Partial<ImportInput> = {},
): Promise<Run & { readonly lines: readonly string[] }> {
  const all = typeof files === 'string' ? [files] : files
  const { output, text } = memoryOutput()
  // Beside the first file, if there is one: a test's own folder.
  const beside = all[0] !== undefined && existsSync(all[0]) ? dirname(all[0]) : tmpdir()
  const temporaryDirectory = input.temporaryDirectory ?? beside
  const done = await run(all, options, { sink: printSink(output), ...input, temporaryDirectory })
  return { ...done, lines: text().split('\n').slice(0, -1) }
}

export function memoryOutput(): { output: Writable; text(): string } {
  const chunks: Buffer[] = []
  const output = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(chunk)
      done()
    },
  })
  return { output, text: () => Buffer.concat(chunks).toString() }
}

/** Only what a test looks at of each printed line. */
export function picked(lines: readonly string[], ...keys: string[]): unknown[][] {
  return lines.map(line => {
    const event = JSON.parse(line)
    return keys.map(key => event[key])
  })
}

export interface Project {
  readonly log: Log
  readonly target: ImportTarget
  contents(): Promise<(ClicksRecord | Dead)[][]>
}

export async function openProject(
  context: TestContext,
  settings: Partial<ImportTarget> = {},
): Promise<Project> {
  const log = openMemoryLog({ clock: () => nowMs })
  const partitions = settings.partitions ?? 4
  const forever = {
    retentionMs: Number.POSITIVE_INFINITY,
    retentionBytes: Number.POSITIVE_INFINITY,
  }
  await log.ensure(topic, { partitions, ...forever })
  context.after(() => log.close())
  const target: ImportTarget = {
    mode: 'historic',
    clockMs: null,
    partitions,
    temporaryDirectory: folder(context),
    append: (partition, records) => log.append(topic, partition, records),
    bounds: partition => log.bounds(topic, partition),
    read: (partition, offset, bytesMax) => log.read(topic, partition, offset, bytesMax),
    reject: async () => undefined,
    close: async () => undefined,
    ...settings,
  }
  return { log, target, contents: () => contentsOf(target) }
}

export async function contentsOf(target: ImportTarget): Promise<(ClicksRecord | Dead)[][]> {
  const all: (ClicksRecord | Dead)[][] = []
  for (let partition = 0; partition < target.partitions; partition++) {
    const records: (ClicksRecord | Dead)[] = []
    const { startOffset, endOffset } = await target.bounds(partition)
    for (let at = startOffset; at < endOffset; ) {
      const batch = await target.read(partition, at, 1024 * 1024)
      records.push(...batch.map(record => decodeRecord(record.value)))
      at = batch.at(-1)!.offset + 1
    }
    all.push(records)
  }
  return all
}

/** Onto the log of the project. */
export function importInto(
  target: ImportTarget,
  files: string | readonly string[],
  options: MappingOptions = {},
  input: Partial<ImportInput> = {},
): Promise<Run> {
  const all = typeof files === 'string' ? [files] : files
  const { temporaryDirectory } = target
  return run(all, options, { sink: logSink(target), temporaryDirectory, ...input })
}
