/**
 * What an owner throws that is no operating error is a bug of ours. What it has in memory may be spoilt, what is stored is
 * not: the partition is lost to it, and opened anew. Often that is the end of it; where the bug strikes again the other
 * partitions go on meanwhile.
 */
import { isBug } from '../base/errors.ts'

const delayMsMin = 1_000
const delayMsMax = 60_000

/**
 * When a partition is opened again whose reader threw: ms from now, or undefined for not before a restart. `openedOffset`:
 * where that life began, null where it did not come so far.
 */
export type Reopening = (error: Error, openedOffset: number | null) => number | undefined

/** Of one partition, over all its lives here: longer each time that one begins no further than those before. */
export function createReopening(): Reopening {
  let farthestOffset = -1
  let delayMs = delayMsMin / 2
  return (error, openedOffset) => {
    if (!isBug(error)) return undefined
    const isFurther = openedOffset !== null && openedOffset > farthestOffset
    delayMs = isFurther ? delayMsMin : Math.min(2 * delayMs, delayMsMax)
    if (isFurther) farthestOffset = openedOffset
    return delayMs
  }
}
