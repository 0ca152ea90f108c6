/** Drops the oldest batches of a partition, whole: those past their age, and those wholly beyond the size. */
import type { Place } from './appends.ts'
import type { TopicSettings } from './log.ts'
import type { Storage } from './storage.ts'

/** One transaction drops no more: the event loop stands still meanwhile. */
const dropBatchesMax = 200

/** Drops some of what is due; true if it dropped, so there may be more. */
export function dropSome(
  storage: Storage,
  place: Place,
  { retentionMs, retentionBytes }: TopicSettings,
  nowMs: number,
): boolean {
  const { id, endOffset } = place.state
  let { startOffset, sizeBytes } = place.state
  for (let count = 0; count < dropBatchesMax && startOffset < endOffset; count++) {
    const oldest = storage.head(id, startOffset)
    const tooOld = oldest.appendMs < nowMs - retentionMs
    const tooMuch = sizeBytes - oldest.sizeBytes >= retentionBytes
    if (!tooOld && !tooMuch) break
    startOffset = oldest.nextOffset
    sizeBytes -= oldest.sizeBytes
  }
  if (startOffset === place.state.startOffset) return false
  const state = { ...place.state, startOffset, sizeBytes }
  storage.drop(state)
  place.state = state
  return true
}
