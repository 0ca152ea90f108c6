/** The epoch that a project is in: the topic that its clicks go to, and the one before it. */
import type { Log, TopicSettings } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { type Epoch, readEpochs } from './epochs.ts'

export interface Present extends Epoch {
  /** Undefined in epoch 0. */
  readonly previous: Epoch | undefined
}

/** Every epoch with the one before it, the oldest first; empty for a project that never grew. */
export async function readChain(store: Store): Promise<Present[]> {
  const epochs = await readEpochs(store)
  return epochs.map((epoch, at) => ({ ...epoch, previous: epochs[at - 1] }))
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
  return { ...newest, partitions, previous: epochs.at(-2) }
}
