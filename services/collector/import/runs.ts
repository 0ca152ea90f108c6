/** A file of sorted entries: one a line, its key, file and line as JSON, a tab, its text. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import type { Entry } from './sorter.ts'

const blockBytes = 128 * 1024
const newline = 0x0a
const tab = 0x09

export function writeRun(path: string, entries: Iterable<Entry>): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    let block = ''
    for (const { key, file: index, line, text } of entries) {
      block += `${JSON.stringify([key, index, line])}\t${text}\n`
      if (block.length < blockBytes) continue
      writeAll(file, block)
      block = ''
    }
    writeAll(file, block)
  } finally {
    closeSync(file)
  }
}

function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
}

export function* readRun(path: string): Generator<Entry> {
  const file = openSync(path, 'r')
  try {
    let rest: Buffer = Buffer.alloc(0)
    for (;;) {
      const block = Buffer.allocUnsafe(blockBytes)
      const size = readSync(file, block)
      if (size === 0) return
      const bytes = Buffer.concat([rest, block.subarray(0, size)])
      let from = 0
      for (let to = bytes.indexOf(newline); to >= 0; to = bytes.indexOf(newline, from)) {
        yield readEntry(bytes.subarray(from, to))
        from = to + 1
      }
      rest = bytes.subarray(from)
    }
  } finally {
    closeSync(file)
  }
}

function readEntry(bytes: Buffer): Entry {
  const at = bytes.indexOf(tab)
  const [key, file, line] = JSON.parse(bytes.toString('utf8', 0, at))
  return { key, file, line, text: bytes.toString('utf8', at + 1) }
}
