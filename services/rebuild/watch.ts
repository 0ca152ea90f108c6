/** Notices that the project goes on in a new topic: services ask the table, which is asked of once a second. */
import { every } from '../base/time.ts'
import type { Store } from '../store/store.ts'
import { type Epoch, readEpochs } from './epochs.ts'

/** A collector appends to the old topic for at most about so long after a growth began. */
export const lookIntervalMs = 1_000

/**
 * Calls `moved` with each epoch after `present`, once, until stopped. A store that does not answer is asked again:
 * what is appended to the old topic meanwhile is carried over.
 */
export function watchEpochs(
  store: Store,
  present: Epoch,
  moved: (epoch: Epoch) => void,
): () => void {
  let { epoch } = present
  let asking = false
  return every(lookIntervalMs, () => {
    if (asking) return
    asking = true
    readEpochs(store)
      .then(epochs => {
        for (const next of epochs)
          if (next.epoch > epoch) {
            epoch = next.epoch
            moved(next)
          }
      })
      .catch(() => undefined)
      .finally(() => {
        asking = false
      })
  })
}
