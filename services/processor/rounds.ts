/**
 * The flushes of a process go in rounds: all partitions that have something begin together, and no other round begins
 * before they have ended. So their inserts into a table meet and go as one (store/joined.ts): each costs ClickHouse
 * almost the same, whatever is in it. Between two rounds there is time to fold: the more is waiting, the more goes
 * with the next one. Alerts wait as rows do: where many fire, a flush for each would leave ClickHouse little time for
 * anything else.
 */
import { after } from '../base/time.ts'

/** Rounds begin at least so far apart. */
const roundMsMin = 800
const foldingMsMin = 200
/** Past it the others go on without those who have not ended, or not come: their log or their rows may be in trouble. */
const patienceMs = 5_000
const meetingMs = 1_000

/** What a flush of a round has to do with the others of it. */
export interface RoundPlace {
  /** Resolves when all others are as far, or have ended, or are waited for no longer. */
  meet(): Promise<void>
}

export interface Rounds<Member> {
  /** To be called often: begins a round when it is time for one and somebody has something. */
  look(members: Iterable<Member>): void
}

export function createRounds<Member>(options: {
  readonly steadyClock: () => number
  readonly isDue: (member: Member) => boolean
  /** Flushes what is due; must not reject. */
  readonly flush: (member: Member, place: RoundPlace) => Promise<void>
}): Rounds<Member> {
  const { steadyClock, isDue, flush } = options
  const busy = new Set<Member>()
  let begunAtMs = -roundMsMin
  let endedAtMs = -roundMsMin

  function isTime(nowMs: number): boolean {
    if (nowMs - begunAtMs < roundMsMin) return false
    return busy.size > 0 ? nowMs - begunAtMs >= patienceMs : nowMs - endedAtMs >= foldingMsMin
  }

  return {
    look(members) {
      const nowMs = steadyClock()
      if (!isTime(nowMs)) return
      const due = [...members].filter(member => !busy.has(member) && isDue(member))
      if (due.length === 0) return
      begunAtMs = nowMs
      const places = meeting(due.length)
      for (const [at, member] of due.entries()) {
        busy.add(member)
        const { meet, leave } = places[at]!
        void flush(member, { meet }).finally(() => {
          leave()
          busy.delete(member)
          endedAtMs = steadyClock()
        })
      }
    },
  }
}

function meeting(size: number) {
  const complete = Promise.withResolvers<void>()
  let missing = size
  const cancel = after(meetingMs, complete.resolve)
  const arrive = () => {
    if (--missing > 0) return
    cancel()
    complete.resolve()
  }
  return Array.from({ length: size }, () => {
    let here = false
    const leave = () => {
      if (!here) arrive()
      here = true
    }
    const meet = () => {
      leave()
      return complete.promise
    }
    return { meet, leave }
  })
}
