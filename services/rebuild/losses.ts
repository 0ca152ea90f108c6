/** First records of epochs that are gone and of which the tables hold nothing: an operator takes them for lost. */
import { EbbError } from '../base/errors.ts'
import { acceptLoss, findLost, type RestoreSource } from '../processor/restore.ts'
import { sealEpoch } from './drain.ts'
import { type Epoch, isDrained } from './epochs.ts'
import { type Present, readChain } from './present.ts'

export interface LossSource extends Pick<RestoreSource, 'log' | 'store' | 'project'> {
  /** The epoch that the project is in. */
  readonly newest: Present
}

/**
 * As `acceptLoss`, in all epochs, the oldest first; their Seals are set again where they may be gone too. Throws
 * `processorAway` where an epoch goes on from one that processors must fold first: then it is to be repeated.
 */
export async function acceptLosses(
  { newest, ...source }: LossSource,
  wallClock: () => number,
  tell: (sentence: string) => void,
): Promise<void> {
  const { log, store } = source
  const chain = await readChain(store)
  for (const epoch of chain.length > 0 ? chain : [newest]) {
    if (await isDrained(store, epoch)) continue
    const { previous } = epoch
    const lost = await findLost({ ...source, ...epoch })
    if (lost.length > 0 && previous && !(await isDrained(store, previous)))
      throw unfolded(previous, epoch)
    await acceptLoss({ ...source, ...epoch }, wallClock, tell)
    // Behind it, and whatever was lost before: who died in between would never set them.
    if (epoch.epoch < newest.epoch && (await isCut(log, epoch))) await sealEpoch(log, store, epoch)
  }
}

function unfolded(previous: Epoch, { topic }: Epoch): EbbError {
  return new EbbError(
    'processorAway',
    `${topic} lost its first records too, and it begins with what ${previous.topic} ends in, which is not folded to its seals yet. Restart the processors, which fold it, then give ebb log begin again.`,
  )
}

/** Retention took records of it, and so perhaps all. */
async function isCut(log: LossSource['log'], { topic, partitions }: Epoch): Promise<boolean> {
  for (let partition = 0; partition < partitions; partition++)
    if ((await log.bounds(topic, partition)).startOffset > 0) return true
  return false
}
