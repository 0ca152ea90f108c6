/**
 * Who leads a partition, and how that moves to another broker. What was acknowledged stays: all replicas have it.
 *
 *   a leader -> nobody, from right before or right behind an append -> the next broker, whose clock is its own
 *
 * What stands right before it is refused or lost on its way; what stands right behind it is on the log, and its answer
 * says otherwise or never comes.
 */
import type { Scheduler } from '../scheduler.ts'
import { Refused } from './coordinator.ts'
import type { Leadership } from './topics.ts'

export const brokerCount = 3
/** A move waits so long for an append that it may fall in with. */
const patienceMs = 1_000

export interface Move {
  /** Who steps down says so to whoever asks him; who dies cuts the connections, and is named for a while yet. */
  readonly how: 'steps down' | 'dies'
  readonly moment: 'before' | 'behind'
  /** So long nobody leads. */
  readonly forMs: number
  /** How far the next leader's clock is off. */
  readonly byMs: number
}

export function firstLeadership(partition: number): Leadership {
  const leader = partition % brokerCount
  return { leader, named: leader, dead: null, skewMs: 0, move: null }
}

/** One at a time: while another move waits or is under way, nothing happens. */
export function planMove(scheduler: Scheduler, leadership: Leadership, move: Move): void {
  const { leader } = leadership
  if (leader === null || leadership.move) return
  const armed = { moment: move.moment, strike }
  leadership.move = armed
  scheduler.plan(patienceMs, null, 'a leader goes without an append', () => {
    if (leadership.move === armed) strike()
  })

  function strike(): void {
    scheduler.note(`broker ${leader} ${move.how}`)
    Object.assign(leadership, { leader: null, move: null })
    if (move.how === 'dies') leadership.dead = leader
    else leadership.named = null
    scheduler.plan(move.forMs, null, 'a leader is elected', elect)
  }

  function elect(): void {
    const next = (leader! + 1) % brokerCount
    Object.assign(leadership, { leader: next, named: next, dead: null, skewMs: move.byMs })
  }
}

/** The move that waits for this moment of an append, if one does, is now. */
export function meetMove({ move }: Leadership, moment: 'before' | 'behind'): void {
  if (move?.moment === moment) move.strike()
}

/** Throws what a broker that does not lead answers, or what stands for no answer. */
export function checkLeads({ leader, dead }: Leadership, broker: number): void {
  if (dead === broker) throw new Error('The connection was closed.')
  if (leader !== broker) throw new Refused('NOT_LEADER_FOR_PARTITION')
}
