/**
 * Sorts more than memory holds. Entries gather in memory; at `memoryBytesMax` they are sorted and written to a
 * file (a run); at the end the runs are merged. Reading them back is synchronous: it is one sequential read, and
 * awaiting every entry would cost more than the read.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readRun, writeRun } from './runs.ts'

export interface Entry {
  /** What is sorted by; of one type within a sorter. */
  readonly key: number | string
  /** Among equal keys the order of the files, then of their lines, holds. */
  readonly file: number
  readonly line: number
  /** JSON, so without a newline. */
  readonly text: string
}

export interface Sorter {
  readonly count: number
  add(entry: Entry): void
  /** All entries in order, as often as it is asked for; nothing may be added any more. */
  sorted(): Iterable<Entry>
}

/** More runs than this are merged into one first, so that few files are open at a time. */
const runsMax = 64
/** What an entry takes in memory beside its text. */
const entryBytes = 160

export function openSorter(directory: string, memoryBytesMax: number): Sorter {
  let runs: string[] = []
  let runNumber = 0
  let entries: Entry[] = []
  let memoryBytes = 0
  let count = 0
  let isSorted = false

  function write(from: Iterable<Entry>): string {
    mkdirSync(directory, { recursive: true })
    const path = join(directory, `run-${runNumber++}`)
    writeRun(path, from)
    return path
  }
  function spill(): void {
    runs.push(write(entries.sort(compare)))
    entries = []
    memoryBytes = 0
    if (runs.length < runsMax) return
    const merged = write(merge(runs.map(readRun)))
    for (const path of runs) rmSync(path)
    runs = [merged]
  }
  return {
    get count() {
      return count
    },
    add(entry) {
      entries.push(entry)
      count++
      memoryBytes += entry.text.length + entryBytes
      if (memoryBytes >= memoryBytesMax) spill()
    },
    sorted() {
      if (!isSorted) entries.sort(compare)
      isSorted = true
      return merge([...runs.map(readRun), entries])
    },
  }
}

function compare(a: Entry, b: Entry): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  return a.file - b.file || a.line - b.line
}

/** The sources, each in order, as one in order. */
function* merge(sources: readonly Iterable<Entry>[]): Generator<Entry> {
  const heap: Head[] = []
  const iterators = sources.map(source => source[Symbol.iterator]())
  try {
    for (const iterator of iterators) {
      const first = iterator.next()
      if (!first.done) heap.push({ entry: first.value, iterator })
    }
    for (let at = heap.length >> 1; at >= 0; at--) sink(heap, at)
    for (let head = heap[0]; head; head = heap[0]) {
      yield head.entry
      const next = head.iterator.next()
      if (!next.done) head.entry = next.value
      else {
        const last = heap.pop()!
        if (last !== head) heap[0] = last
      }
      sink(heap, 0)
    }
  } finally {
    for (const iterator of iterators) iterator.return?.()
  }
}

interface Head {
  entry: Entry
  readonly iterator: Iterator<Entry>
}

/** Moves the head at `at` down until no child of the heap comes before it. */
function sink(heap: Head[], at: number): void {
  for (;;) {
    let least = at
    for (const child of [2 * at + 1, 2 * at + 2])
      if (child < heap.length && compare(heap[child]!.entry, heap[least]!.entry) < 0) least = child
    if (least === at) return
    const moved = heap[at]!
    heap[at] = heap[least]!
    heap[least] = moved
    at = least
  }
}
