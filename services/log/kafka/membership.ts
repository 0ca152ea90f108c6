/**
 * This process's place in a group, by the classic group protocol. It is, in turn,
 *
 *   joining    says what it holds, waits for the others, gets its share       -> member
 *   member     heartbeats, whatever its owners do                             -> joining, when the group changes
 *                                                                                or it has given something back
 *   leaving    after stop
 *
 * and loses all it holds when the group has gone on without it, or may have: no answer for a session.
 */
import type { Logger } from 'pino'
import { elapsedMs, momentNow, steadyClock } from '../../base/time.ts'
import { encodeClaim, encodeShares, protocolName, readClaim, readShare } from './claims.ts'
import { settled, waiting } from './deadline.ts'
import { shareOut } from './shares.ts'
import type { Topic } from './topic.ts'
import { type Broker, isPassing, isUnsure, type Joined, refusalOf, rejected } from './wire.ts'

/** Also how soon a member hears of a change of the group, twice before a partition has moved: it stands meanwhile. */
const heartbeatIntervalMs = 250
/** Hints are records on a topic of the broker: they need not be told as often. */
const hintsIntervalMs = 1_000
/** How long the group waits for a member that has heard of a change and not joined yet. */
const rebalanceMsMax = 60_000
/** Between two questions to a coordinator that is away: the first, and what doubling ends at. */
const retryDelayMsMin = 200
const retryDelayMsMax = 2_000
/** A refusal that only a person can mend. */
const refusedDelayMs = 5_000
const leaveMsMax = 2_000

export interface MembershipOptions {
  /** Of its own: joining holds up whatever comes after it on the same connection. */
  readonly topic: Topic
  readonly group: string
  readonly sessionMsMax: number
  readonly logger: Logger
  /** What is held now, also what is just being given back. */
  readonly held: () => readonly number[]
  /** The share of a new generation, of so many partitions as its leader sees, if it says so. Resolves when what is no longer in it is given back; true if there was any. */
  readonly shared: (share: readonly number[], partitions: number | null) => Promise<boolean>
  /** The group has gone on without us: what is held is another's. */
  readonly lost: () => void
  /** Where each partition would go on; told with the heartbeats. */
  readonly hints: () => ReadonlyMap<number, number>
}

export interface Membership {
  /** Rejects when the group refuses us for good. */
  readonly joined: Promise<void>
  /** Whether the group may have given our partitions away. */
  expired(): boolean
  /** This process runs: called often, beside all else, and after `expired` was asked. */
  runs(): void
  /** Since when the group has not taken us for a member though it should have, by the steady clock; null: it does. */
  unseenSinceMs(): number | null
  /** Joins again, with what is held by then. */
  rejoin(): void
  stop(): Promise<void>
}

export function startMembership(options: MembershipOptions): Membership {
  const { topic, group, sessionMsMax, logger } = options
  const { cluster } = topic.client
  const stopping = new AbortController()
  const joined = Promise.withResolvers<void>()
  let rejoining = new AbortController()
  let coordinator: Broker | undefined
  let memberId = ''
  let generation = -1
  /** When the coordinator last took us for a member. */
  let provedAt = momentNow()
  /** When this process was last seen to run. */
  let ranAt = provedAt
  let patienceMs = rebalanceMsMax
  /** Since when the coordinator does not answer, by the steady clock; null while it does. */
  let awaySinceMs: number | null = null
  let retryDelayMs = retryDelayMsMin
  let hintsTold = new Map<number, number>()
  let hintsToldAtMs = steadyClock()

  function expired(): boolean {
    // Who stood still for a session has lost his place, though he waited for others: they may have come meanwhile.
    return elapsedMs(provedAt) > patienceMs || elapsedMs(ranAt) > sessionMsMax
  }

  function unseenSinceMs(): number | null {
    // While it does not answer, nobody waits for others to join.
    const allowedMs = awaySinceMs === null ? patienceMs : sessionMsMax
    return steadyClock() - provedAt.steadyMs > allowedMs ? provedAt.steadyMs : null
  }

  function proved(nextPatienceMs: number): void {
    provedAt = momentNow()
    patienceMs = nextPatienceMs
    retryDelayMs = retryDelayMsMin
    if (awaySinceMs === null) return
    const awayMs = Math.round(provedAt.steadyMs - awaySinceMs)
    logger.warn({ group, awayMs }, 'The group’s coordinator answers again.')
    awaySinceMs = null
  }

  function place() {
    return { groupId: group, memberId, groupGenerationId: generation }
  }

  async function coordinating(): Promise<Broker> {
    coordinator ??= await cluster.findGroupCoordinator({ groupId: group })
    return coordinator
  }

  async function join(): Promise<void> {
    rejoining = new AbortController()
    const broker = await coordinating()
    // Whoever waits for the others to join is a member as long as the group is ready to wait.
    patienceMs = Math.max(patienceMs, rebalanceMsMax)
    const metadata = encodeClaim(topic.name, { memberId, generation, held: options.held() })
    const answer = await broker.joinGroup({
      groupId: group,
      memberId,
      sessionTimeout: sessionMsMax,
      rebalanceTimeout: rebalanceMsMax,
      groupProtocols: [{ name: protocolName, metadata }],
    })
    memberId = answer.memberId
    generation = answer.generationId
    proved(rebalanceMsMax)
    const groupAssignment = answer.leaderId === memberId ? await assign(answer.members) : []
    const place = { groupId: group, memberId, generationId: generation }
    const synced = await broker.syncGroup({ ...place, groupAssignment })
    proved(sessionMsMax)
    joined.resolve()
    const { share, partitions } = readShare(topic.name, synced.memberAssignment)
    logger.info({ group, topic: topic.name, generation, share }, 'The group has changed.')
    void options.shared(share, partitions).then(gaveBack => gaveBack && rejoining.abort())
  }

  /** What the leader of the group does for all. */
  async function assign(members: Joined['members']) {
    await topic.refresh()
    const claims = members.map(member => readClaim(member.memberId, member.memberMetadata))
    return encodeShares(topic.name, shareOut(claims, topic.partitions()), topic.partitions())
  }

  /** Resolves when it is time to join again. */
  async function heartbeat(): Promise<void> {
    const { signal } = rejoining
    while (!signal.aborted && !stopping.signal.aborted) {
      await waiting(heartbeatIntervalMs, signal)
      if (signal.aborted || stopping.signal.aborted) return
      try {
        await (await coordinating()).heartbeat(place())
        proved(sessionMsMax)
        if (steadyClock() - hintsToldAtMs >= hintsIntervalMs) await tellHints()
      } catch (error) {
        if (!passes(error)) throw error
        await missed(error)
      }
    }
  }

  async function tellHints(): Promise<void> {
    hintsToldAtMs = steadyClock()
    const hints = new Map(options.hints())
    const news = [...hints].filter(([partition, offset]) => hintsTold.get(partition) !== offset)
    if (news.length === 0) return
    const partitions = news.map(([partition, offset]) => ({ partition, offset: String(offset) }))
    const topics = [{ topic: topic.name, partitions }]
    await (await coordinating()).offsetCommit({ ...place(), topics })
    hintsTold = hints
  }

  /** The coordinator is away or moving: the place in the group stays good for a session. */
  function passes(error: unknown): boolean {
    const refusal = refusalOf(error)
    return isPassing(refusal) || isUnsure(refusal)
  }

  async function missed(error: unknown): Promise<void> {
    coordinator = undefined
    if (stopping.signal.aborted) return
    const begins = awaySinceMs === null && !isPassing(refusalOf(error))
    if (begins) awaySinceMs = steadyClock()
    logger[begins ? 'warn' : 'debug'](
      { group, err: error },
      'The group’s coordinator is away; it is asked until it answers.',
    )
    if (expired()) lose()
    await waiting(retryDelayMs, stopping.signal)
    retryDelayMs = Math.min(2 * retryDelayMs, retryDelayMsMax)
    await topic.refresh().catch(() => undefined) // The next attempt tells.
  }

  function lose(): void {
    generation = -1
    options.lost()
    rejoining.abort()
  }

  async function recover(error: unknown): Promise<void> {
    switch (refusalOf(error)) {
      case 'REBALANCE_IN_PROGRESS':
        return
      case 'UNKNOWN_MEMBER_ID':
        memberId = ''
        return lose()
      case 'ILLEGAL_GENERATION':
        return lose()
    }
    if (passes(error)) return missed(error)
    const failure = rejected(`Group ${group}`, error)
    joined.reject(failure)
    logger.error({ group, err: failure }, 'The group refuses this member.')
    lose()
    await waiting(refusedDelayMs, stopping.signal)
  }

  async function live(): Promise<void> {
    while (!stopping.signal.aborted)
      try {
        await join()
        await heartbeat()
      } catch (error) {
        await recover(error)
      }
  }

  const living = live()
  // Whoever waits for it hears of it; nobody may.
  joined.promise.catch(() => undefined)
  return {
    joined: joined.promise,
    expired,
    runs() {
      ranAt = momentNow()
    },
    unseenSinceMs,
    rejoin: () => rejoining.abort(),
    async stop() {
      stopping.abort()
      rejoining.abort()
      await settled(living, leaveMsMax)
      await settled(tellHints(), leaveMsMax)
      const leaving = async () => (await coordinating()).leaveGroup({ groupId: group, memberId })
      if (memberId !== '') await settled(leaving(), leaveMsMax)
      joined.resolve()
    },
  }
}
