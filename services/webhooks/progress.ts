/** How far the outbox has come on each partition of the alerts topic. */
import { hash } from 'node:crypto'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'

export interface Progress {
  /** The first record that has a delivery which has not ended: from here on it is read again. */
  readonly nextOffset: number
  /** The first record that may have no deliveries yet. A record before it never gets new ones. */
  readonly seenOffset: number
  /** Of the record before seenOffset, to tell this log from another; empty at its beginning. */
  readonly seenHash: string
  /**
   * Deliveries stored for records below may have been tried by an owner who ended before that was stored. null: for any
   * record, since there is an owner who lets deliveries go; else the last one was still catching up, or ended in order.
   */
  readonly triedBelow: number | null
  /** Grows with each writing. */
  readonly version: number
}

type State = Pick<Progress, 'seenOffset' | 'seenHash'> & Partial<Pick<Progress, 'triedBelow'>>

interface Row {
  readonly next_offset: string
  readonly state: string
  readonly version: string
}

export async function readProgress(
  store: Store,
  topic: string,
  partition: number,
): Promise<Progress | undefined> {
  const [row] = await store.query<Row>(
    `SELECT next_offset, state, version FROM progress
     WHERE topic = {topic:String} AND partition = {partition:UInt16} ORDER BY version DESC LIMIT 1`,
    { topic, partition },
  )
  if (!row) return undefined
  // An earlier Ebb did not say what may have been tried.
  const state = { triedBelow: null, ...(JSON.parse(row.state) as State) }
  return { ...state, nextOffset: Number(row.next_offset), version: Number(row.version) }
}

export async function writeProgress(
  store: Store,
  topic: string,
  partition: number,
  progress: Progress,
  nowMs: number,
): Promise<void> {
  const { nextOffset, seenOffset, seenHash, triedBelow, version } = progress
  const row = {
    topic,
    partition,
    epoch: 0,
    next_offset: nextOffset,
    clock: null,
    clock_day: -1,
    state: JSON.stringify({ seenOffset, seenHash, triedBelow }),
    last_hash: '',
    version,
    written_at: rowTime(nowMs),
  }
  await store.insert('progress', [row])
}

export function recordHash(value: Buffer | null): string {
  return hash('sha256', value ?? '').slice(0, 32)
}
