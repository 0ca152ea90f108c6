/** The epoch that a project is in: the topic that its clicks go to, and the one before it. */
import { EbbError } from '../base/errors.ts'
import { wallClock } from '../base/time.ts'
import type { Log, TopicSettings } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { findAhead, followLog } from './ahead.ts'
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

/**
 * As `openTopic`; a project that never grew is in epoch 0, in the topic it began with. Tables that are older than its
 * last growth follow the log into the epoch of now. `tell`: a sentence for an operator.
 */
export async function openPresent(
  place: { readonly log: Log; readonly store: Store },
  firstTopic: string,
  settings: TopicSettings,
  tell: (sentence: string) => void = () => undefined,
): Promise<Present> {
  for (;;) {
    const present = await openNewest(place, firstTopic, settings)
    const ahead = await findAhead(place, firstTopic)
    if (!ahead || ahead.rebuilt) return present
    await followLog(place, present, ahead, wallClock())
    tell(
      `The tables knew nothing of ${ahead.topic}, in which the project goes on since a growth: they are older, as those of a backup from before it. They follow: what was folded since is folded again.`,
    )
  }
}

async function openNewest(
  place: { readonly log: Log; readonly store: Store },
  firstTopic: string,
  settings: TopicSettings,
): Promise<Present> {
  const epochs = await readEpochs(place.store)
  const newest = epochs.at(-1) ?? { epoch: 0, topic: firstTopic, partitions: settings.partitions }
  const partitions = await openTopic(place, newest.topic, {
    ...settings,
    partitions: newest.partitions,
  })
  return presentOf({ ...newest, partitions }, epochs.at(-2))
}

/**
 * Makes the topic where it is missing, and resolves to its partitions. One whose records are in the tables is not made
 * anew: nobody could go on from what they hold, and what is taken there would never be folded.
 */
export async function openTopic(
  { log, store }: { readonly log: Log; readonly store: Store },
  topic: string,
  settings: TopicSettings,
): Promise<number> {
  const [row] = await store.query<{ folded: string }>(
    'SELECT sum(next_offset) AS folded FROM progress FINAL WHERE topic = {topic:String}',
    { topic },
  )
  const folded = Number(row?.folded)
  if (folded > 0)
    await log.partitions(topic).catch(error => {
      const isMissing = error instanceof EbbError && error.code === 'topicMissing'
      throw isMissing ? gone(topic, folded, error) : error
    })
  return log.ensure(topic, settings)
}

function gone(topic: string, folded: number, cause: Error): EbbError {
  return new EbbError(
    'topicMismatch',
    `There is no topic ${topic}, though the tables hold what came of ${folded} of its records. It is not made anew, for ` +
      'these tables could not go on with it. Look at the address of Kafka first; bring the topic back if a copy has ' +
      'it; else a new project has to be begun.',
    { cause },
  )
}

function presentOf(epoch: Epoch, before: Epoch | undefined): Present {
  return { ...epoch, previous: epoch.rebuilt ? undefined : before }
}
