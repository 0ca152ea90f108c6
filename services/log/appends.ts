/**
 * Group commit: appends of one turn of the event loop share one transaction, so one fsync. Either all of a
 * transaction is there or none of it, so each append is whole.
 */
import { type Bell, bell } from './bell.ts'
import type { NewRecord } from './log.ts'
import { type Batch, type PartitionState, recordBytes, type Storage } from './storage.ts'

/** One partition of this process's log; the state is what storage holds, replaced only after a write. */
export interface Place {
  state: PartitionState
  /** Rings after each append. */
  readonly appended: Bell
}

export function placeOf(state: PartitionState): Place {
  return { state, appended: bell() }
}

/** A batch is cut at either: a read and a drop handle whole batches. */
const batchBytesMax = 256 * 1024
const batchRecordsMax = 1000
/** A transaction takes appends until it has this much: the event loop stands still meanwhile. */
const transactionBytesMax = 4 * 1024 * 1024

interface Waiting {
  readonly place: Place
  readonly records: readonly NewRecord[]
  readonly sizeBytes: number
  readonly resolve: (offset: number) => void
  readonly reject: (error: unknown) => void
}

export interface Appends {
  append(place: Place, records: readonly NewRecord[]): Promise<number>
  /** Commits all that waits, now. */
  flush(): void
}

export function groupCommit(storage: Storage, clock: () => number): Appends {
  let waiting: Waiting[] = []
  /** True exactly while a commit is due at the end of this turn. */
  let scheduled = false

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      if (waiting.length > 0) commitSome()
      if (waiting.length > 0) schedule()
    })
  }

  function commitSome(): void {
    const group = waiting.slice(0, groupLength(waiting))
    waiting = waiting.slice(group.length)
    let plan: Plan
    try {
      plan = planCommit(group, clock())
      storage.write(plan.batches, [...plan.states.values()])
    } catch (error) {
      for (const { reject } of group) reject(error)
      return
    }
    for (const [place, state] of plan.states) place.state = state
    group.forEach(({ resolve }, index) => {
      resolve(plan.firstOffsets[index]!)
    })
    for (const place of plan.states.keys()) place.appended.ring()
  }

  return {
    append(place, records) {
      const sizeBytes = records.reduce((sum, record) => sum + recordBytes(record), 0)
      return new Promise((resolve, reject) => {
        waiting.push({ place, records, sizeBytes, resolve, reject })
        schedule()
      })
    },
    flush() {
      while (waiting.length > 0) commitSome()
    },
  }
}

/** How many of the oldest appends share the next transaction: at least one, however large. */
function groupLength(waiting: readonly Waiting[]): number {
  let sizeBytes = 0
  for (let length = 0; length < waiting.length; length++) {
    sizeBytes += waiting[length]!.sizeBytes
    if (sizeBytes > transactionBytesMax) return Math.max(1, length)
  }
  return waiting.length
}

interface Plan {
  readonly batches: Batch[]
  readonly states: Map<Place, PartitionState>
  /** By place in the group. */
  readonly firstOffsets: number[]
}

/** What a transaction of `group` at `nowMs` writes. A partition's time never falls, whatever the clock does. */
function planCommit(group: readonly Waiting[], nowMs: number): Plan {
  const recordsOf = new Map<Place, NewRecord[]>()
  const firstOffsets = group.map(({ place, records }) => {
    const gathered = recordsOf.get(place) ?? []
    recordsOf.set(place, gathered)
    const offset = place.state.endOffset + gathered.length
    for (const record of records) gathered.push(record)
    return offset
  })
  const batches: Batch[] = []
  const states = new Map<Place, PartitionState>()
  for (const [place, records] of recordsOf) {
    if (records.length === 0) continue
    const { state } = place
    const appendMs = Math.max(state.appendMs, nowMs)
    const added = cutBatches(state.id, state.endOffset, appendMs, records)
    batches.push(...added)
    const endOffset = state.endOffset + records.length
    const sizeBytes = added.reduce((sum, batch) => sum + batch.sizeBytes, state.sizeBytes)
    states.set(place, { ...state, endOffset, appendMs, sizeBytes })
  }
  return { batches, states, firstOffsets }
}

function cutBatches(
  partitionId: number,
  firstOffset: number,
  appendMs: number,
  records: readonly NewRecord[],
): Batch[] {
  const batches: Batch[] = []
  for (let start = 0; start < records.length; ) {
    let sizeBytes = 0
    let end = start
    for (; end < records.length && end - start < batchRecordsMax; end++) {
      const bytes = recordBytes(records[end]!)
      if (end > start && sizeBytes + bytes > batchBytesMax) break
      sizeBytes += bytes
    }
    const offset = firstOffset + start
    batches.push({ partitionId, offset, appendMs, sizeBytes, records: records.slice(start, end) })
    start = end
  }
  return batches
}
