/** The epoch that a project is in: the topic that its clicks go to, and the one before it. */
import type { Log, TopicSettings } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { type Epoch, readEpochs } from './epochs.ts'

export interface Present extends Epoch {
  /** What it goes on from; undefined in epoch 0, and in one that was rebuilt. */
  readonly previous: Epoch | undefined
}

/** Every epoch with the one before it, the oldest first; empty for a project that never grew. */
export async function readChain(store: Store): Promise<Present[]> {
  const epochs = await readEpochs(store)
  return epochs.map((epoch, at) => presentOf(epoch, epochs[at - 1]))
}

/** Makes the topic where it is missing; a project that never grew is in epoch 0, in the topic it began with. */
export async function openPresent(
  { log, store }: { readonly log: Log; readonly store: Store },
  firstTopic: string,
  settings: TopicSettings,
): Promise<Present> {
  const epochs = await readEpochs(store)
  const newest = epochs.at(-1) ?? { epoch: 0, topic: firstTopic, partitions: settings.partitions }
  const partitions = await log.ensure(newest.topic, { ...settings, partitions: newest.partitions })
  return presentOf({ ...newest, partitions }, epochs.at(-2))
}

function presentOf(epoch: Epoch, before: Epoch | undefined): Present {
  return { ...epoch, previous: epoch.rebuilt ? undefined : before }
}
