/** Final sessions of the fold as lines of the bench, and a count of what happened to the clicks. */
import type { NewRecord } from '../../services/log/log.ts'
import type { Effects } from '../../services/processor/fold/effects.ts'

export interface Tally {
  accepted: number
  /** Late ones, and duplicates: in no session. */
  dropped: number
}

/** Effects that put each final session on `sessions`; `current` says whether the last click was accepted. */
export function gatherSessions(
  sessions: NewRecord[],
  tally: Tally,
  current: { accepted: boolean },
): Effects {
  const drop = () => {
    tally.dropped++
  }
  return {
    session(user, session) {
      const { startMs: start, endMs: end, clicks: count, lastEvent: last } = session
      const revenue = session.valueMinor / 10_000
      const line = JSON.stringify({ user: user.id, start, end, count, last, revenue })
      sessions.push({ key: user.id, value: Buffer.from(line) })
    },
    accepted() {
      tally.accepted++
      current.accepted = true
    },
    late: drop,
    duplicate: drop,
    aside: drop,
    quarantined: drop,
    tombstone() {},
    alert() {},
    dayDone() {},
    oldDay() {},
    erased() {},
  }
}
