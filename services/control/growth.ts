/** Growth of a project on servers while its collectors and processors run: what `ebb grow` does. */
import { pause, wallClock } from '../base/time.ts'
import type { Log } from '../log/log.ts'
import type { Claim } from '../rebuild/claim.ts'
import { sealEpoch, untilDrained } from '../rebuild/drain.ts'
import { beginEpoch, isDrained, makeTopic } from '../rebuild/epochs.ts'
import { readChain } from '../rebuild/present.ts'
import { lookIntervalMs } from '../rebuild/watch.ts'
import { placesOf, type Servers } from './servers.ts'
import { retentionMsDefault } from './system.ts'

/** What grows, and where. */
type Grown = Pick<Servers, 'store' | 'project' | 'clicks'> & { readonly log: Log }

/**
 * Makes the new topic, tells the collectors by the table, gives them time, seals the old partitions, and waits
 * until they are drained. May be repeated: what was begun before goes on where it stopped.
 */
export async function growServers(
  servers: Grown,
  wanted: number,
  claim: Claim,
  tell: (sentence: string) => void,
  closing: AbortSignal,
): Promise<void> {
  const { log, store, project, clicks } = servers
  const { clicksTopic: firstTopic } = placesOf(project)
  const isBegun = clicks.partitions === wanted && clicks.previous !== undefined
  if (!isBegun) {
    await begin(servers, firstTopic, wanted, claim)
    tell('Collectors turn to the new topic; what comes too late for it is carried over.')
    await pause(3 * lookIntervalMs, closing)
  }
  // One after the other: an earlier growth may have stopped before its end.
  for (const epoch of (await readChain(store)).slice(0, -1)) {
    if (await isDrained(store, epoch)) continue
    await claim.hold()
    await sealEpoch(log, store, epoch)
    tell(`${epoch.topic} is sealed; processors fold what stands before the seals.`)
    await untilDrained(store, epoch, closing)
  }
}

/** The topic first: who hears of the epoch finds it. */
async function begin(
  { log, store, clicks }: Grown,
  firstTopic: string,
  wanted: number,
  claim: Claim,
): Promise<void> {
  const settings = {
    partitions: wanted,
    retentionMs: retentionMsDefault,
    retentionBytes: Number.POSITIVE_INFINITY,
  }
  const make = async (topic: string) => {
    await claim.hold()
    return makeTopic(log, topic, settings)
  }
  await beginEpoch(store, clicks, firstTopic, wanted, wallClock(), make, claim)
}
