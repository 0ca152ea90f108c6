/** Ends an epoch: a Seal on each of its partitions, and everything before it folded into the tables. */
import { EbbError } from '../base/errors.ts'
import { pause, steadyClock, wallClock } from '../base/time.ts'
import { readNextOffsets } from '../control/standing.ts'
import { encodeRecord } from '../log/codec.ts'
import type { Log } from '../log/log.ts'
import { type ProcessorOptions, startProcessor } from '../processor/processor.ts'
import type { Store } from '../store/store.ts'
import { type Epoch, readSealed } from './epochs.ts'

/** Appends a Seal where none is folded yet. A second one behind the first is never folded: harmless. */
export async function sealEpoch(log: Log, store: Store, epoch: Epoch): Promise<void> {
  const sealed = await readSealed(store, epoch.topic)
  const value = encodeRecord({ kind: 'seal', atMs: Math.round(wallClock()) })
  for (let partition = 0; partition < epoch.partitions; partition++)
    if (!sealed.has(partition)) await log.append(epoch.topic, partition, [{ key: null, value }])
}

/** Seals the epoch and folds it to its end, where nobody else does and nobody appends to it any more. */
export async function drainEpoch(
  options: Omit<ProcessorOptions, 'troubled' | 'failed' | 'flushed' | 'meter'>,
): Promise<void> {
  const { log, store, topic, partitions, epoch } = options
  const sealed = await readSealed(store, topic)
  if (sealed.size === partitions) return
  await sealEpoch(log, store, { epoch, topic, partitions })
  const ended = Promise.withResolvers<void>()
  const processor = await startProcessor({
    ...options,
    troubled: () => {},
    failed: (_partition, error) => ended.reject(error),
    flushed(partition, state) {
      if (state.sealed) sealed.add(partition)
      if (sealed.size === partitions) ended.resolve()
    },
  })
  await ended.promise.finally(() => processor.stop())
}

const pollIntervalMs = 200
/** Longer than another processor takes to notice that one died, and to go on. */
const standstillMsMax = 30_000

/** Waits for whichever processors run; throws `processorAway` when none goes on. */
export async function untilDrained(
  store: Store,
  epoch: Epoch,
  closing: AbortSignal,
): Promise<void> {
  let before = -1
  for (let movedAtMs = steadyClock(); !closing.aborted; await pause(pollIntervalMs, closing)) {
    const sealed = (await readSealed(store, epoch.topic)).size
    if (sealed === epoch.partitions) return
    const offsets = await readNextOffsets(store, epoch.topic)
    const folded = [...offsets.values()].reduce((sum, offset) => sum + offset, 0)
    if (folded !== before) movedAtMs = steadyClock()
    before = folded
    if (steadyClock() - movedAtMs > standstillMsMax)
      throw new EbbError(
        'processorAway',
        `${epoch.partitions - sealed} of ${epoch.partitions} old partitions are not drained yet, and no processor goes on with them.`,
      )
  }
  closing.throwIfAborted()
}
