/**
 * The broker that leads the groups, by the rules of Kafka's classic group protocol. A group is, in turn,
 *
 *   joining    waits for every member it knows of to join again      -> sharing
 *   sharing    waits for the leader to say who gets what             -> stable
 *   stable     takes heartbeats                                      -> joining, when somebody comes, goes or is
 *                                                                       not heard of for a session
 */
import type { Joined } from '../../../services/log/kafka/wire.ts'
import type { Scheduled, Scheduler } from '../scheduler.ts'

/** As kafkajs throws them: the protocol's name in `type`. */
export class Refused extends Error {
  readonly type: string
  constructor(type: string) {
    super(type)
    this.type = type
  }
}

export interface JoinRequest {
  readonly memberId: string
  readonly sessionTimeout: number
  readonly groupProtocols: readonly { readonly metadata: Buffer }[]
}

interface Assignment {
  readonly memberId: string
  readonly memberAssignment: Buffer
}

/** Answers are given to the callbacks, at any later time. */
interface Reply<Answer> {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

interface Member {
  readonly id: string
  sessionMs: number
  metadata: Buffer
  joining: Reply<Joined> | null
  syncing: Reply<{ memberAssignment: Buffer }> | null
  expiry: Scheduled | null
}

export interface Coordinator {
  join(request: JoinRequest, reply: Reply<Joined>): void
  sync(
    request: { memberId: string; generationId: number; groupAssignment: readonly Assignment[] },
    reply: Reply<{ memberAssignment: Buffer }>,
  ): void
  /** Throws a refusal. */
  heartbeat(memberId: string, generation: number): void
  leave(memberId: string): void
  /** For looking at. */
  generation(): number
}

export function createCoordinator(scheduler: Scheduler, group: string): Coordinator {
  const members = new Map<string, Member>()
  let phase: 'joining' | 'sharing' | 'stable' = 'stable'
  let generation = 0
  let shares = new Map<string, Buffer>()
  let named = 0

  function heard(member: Member): void {
    if (member.expiry) member.expiry.cancelled = true
    const expire = () => {
      // Who waits for an answer of ours is not silent.
      if (member.joining) return
      scheduler.note(`${group} expires ${member.id}`)
      remove(member)
    }
    member.expiry = scheduler.plan(member.sessionMs, null, `${group} session`, expire)
  }

  function remove(member: Member): void {
    if (member.expiry) member.expiry.cancelled = true
    members.delete(member.id)
    if (phase === 'joining') completeJoin()
    else rejoin()
  }

  function rejoin(): void {
    phase = 'joining'
    for (const member of members.values()) {
      member.syncing?.reject(new Refused('REBALANCE_IN_PROGRESS'))
      member.syncing = null
    }
    completeJoin()
  }

  function completeJoin(): void {
    if (members.size === 0 || [...members.values()].some(({ joining }) => !joining)) return
    generation++
    phase = 'sharing'
    shares = new Map()
    const all = [...members.values()].map(({ id, metadata }) => ({
      memberId: id,
      memberMetadata: metadata,
    }))
    const leaderId = all[0]!.memberId
    for (const member of members.values()) {
      const answer = { generationId: generation, leaderId, memberId: member.id }
      member.joining!.resolve({ ...answer, members: member.id === leaderId ? all : [] })
      member.joining = null
      heard(member)
    }
  }

  function known(memberId: string, of?: number): Member {
    const member = members.get(memberId)
    if (!member) throw new Refused('UNKNOWN_MEMBER_ID')
    if (of !== undefined && of !== generation) throw new Refused('ILLEGAL_GENERATION')
    return member
  }

  return {
    join(request, reply) {
      if (request.memberId !== '' && !members.has(request.memberId))
        return reply.reject(new Refused('UNKNOWN_MEMBER_ID'))
      const id = request.memberId || `${group}-${++named}`
      const member: Member = members.get(id) ?? {
        id,
        sessionMs: 0,
        metadata: Buffer.alloc(0),
        joining: null,
        syncing: null,
        expiry: null,
      }
      members.set(id, member)
      member.sessionMs = request.sessionTimeout
      member.metadata = request.groupProtocols[0]!.metadata
      member.joining = reply
      if (phase === 'joining') completeJoin()
      else rejoin()
    },
    sync({ memberId, generationId, groupAssignment }, reply) {
      try {
        const member = known(memberId, generationId)
        if (phase === 'joining') throw new Refused('REBALANCE_IN_PROGRESS')
        heard(member)
        member.syncing = reply
        if (phase === 'sharing' && groupAssignment.length === 0) return
        for (const share of groupAssignment) shares.set(share.memberId, share.memberAssignment)
        phase = 'stable'
        for (const one of members.values()) {
          one.syncing?.resolve({ memberAssignment: shares.get(one.id) ?? Buffer.alloc(0) })
          one.syncing = null
        }
      } catch (error) {
        reply.reject(error as Error)
      }
    },
    heartbeat(memberId, of) {
      const member = known(memberId, of)
      heard(member)
      if (phase === 'joining') throw new Refused('REBALANCE_IN_PROGRESS')
    },
    leave(memberId) {
      const member = members.get(memberId)
      if (member) remove(member)
    },
    generation: () => generation,
  }
}
