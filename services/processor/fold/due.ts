/** What mere time makes happen: sessions become final, then steps fire; queued in order, worked off in slices. */
import { settle } from './alert.ts'
import type { Effects } from './effects.ts'
import { heapPop, heapTop } from './heap.ts'
import { compareUtf8 } from './order.ts'
import { armClosing, closable, closeSession } from './session.ts'
import { type Due, type PartitionState, touch, type User } from './state.ts'
import { collectSteps } from './timer.ts'

/** Queues what is due now: sessions by (end, user, start), then steps by (due, user, rule). */
export function collectDue(state: PartitionState): void {
  if (heapTop(state.closing) < state.boundMs) collectSessions(state)
  collectSteps(state)
}

function byEnd(left: Due, right: Due): number {
  return (
    left.atMs - right.atMs ||
    compareUtf8(left.user.id, right.user.id) ||
    left.session!.startMs - right.session!.startMs
  )
}

function collectSessions(state: PartitionState): void {
  const due: Due[] = []
  const users: User[] = []
  while (heapTop(state.closing) < state.boundMs) {
    const keyMs = heapTop(state.closing)
    const user = state.users.ofEntry(heapPop(state.closing))
    // Only his newest entry counts: what is left of earlier ones is passed over.
    if (!user || user.erased || keyMs !== user.closeKeyMs) continue
    user.closeKeyMs = Number.POSITIVE_INFINITY
    users.push(user)
    for (const session of closable(state, user))
      due.push({ atMs: session.endMs, user, rule: null, session })
  }
  due.sort(byEnd)
  for (const entry of due) state.queue.push(entry)
  for (const user of users) armRest(state, user)
}

/** Arms the user for the sessions that stay open; those in the queue are out of the heap. */
function armRest(state: PartitionState, user: User): void {
  if (user.open.length > 1 || closable(state, user).length === 0) armClosing(state, user)
}

/** Works off the queue, at most `limit` entries; true when it is empty. */
export function drain(state: PartitionState, effects: Effects, limit: number): boolean {
  const { queue } = state
  if (queue.length === 0) return true
  const end = Math.min(queue.length, state.queueAt + limit)
  for (; state.queueAt < end; state.queueAt++) {
    const due = queue[state.queueAt]!
    if (due.session) {
      closeSession(due.user, due.session, effects)
      touch(state, due.user)
    } else settle(state, due, effects)
  }
  if (end < queue.length) return false
  state.queue = []
  state.queueAt = 0
  return true
}

/** The end of input: all sessions close, in the usual order; the clock stays and no timer fires. */
export function closeAll(state: PartitionState, effects: Effects): void {
  const due: Due[] = []
  for (const user of state.users.values())
    for (const session of user.open) due.push({ atMs: session.endMs, user, rule: null, session })
  due.sort(byEnd)
  for (const { user, session } of due) closeSession(user, session!, effects)
}
