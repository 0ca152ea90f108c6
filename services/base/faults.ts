/** What is wrong now, part by part, since when, and what Ebb does about it: what a health check says. */
import { isBug } from './errors.ts'
import { wallClock } from './time.ts'

export interface Fault {
  /** Which part, and why: a sentence. */
  readonly what: string
  /** Epoch ms. */
  readonly sinceMs: number
  /** What Ebb does next: a sentence. */
  readonly next: string
}

/** Faults by the part that they are of: one that is told again goes on, in new words, since the same moment. */
export interface FaultBook<Part> {
  tell(part: Part, what: string, next: string): void
  end(part: Part): void
  clear(): void
  has(part: Part): boolean
  all(): Fault[]
}

export function faultBook<Part>(clock: () => number = wallClock): FaultBook<Part> {
  const faults = new Map<Part, Fault>()
  return {
    tell(part, what, next) {
      const sinceMs = faults.get(part)?.sinceMs ?? clock()
      faults.set(part, { what, sinceMs, next })
    },
    end: part => void faults.delete(part),
    clear: () => faults.clear(),
    has: part => faults.has(part),
    all: () => [...faults.values()],
  }
}

/** What follows on what nobody can mend while Ebb runs. */
export const untilRestart =
  'Ebb leaves nothing out: it goes on there only after a restart, and only if nothing is missing then.'

/** What follows where a partition stands still. */
export function nextWhereItStands(error: Error): string {
  return isBug(error)
    ? 'This is a bug in Ebb, and nothing is left out: the partition is begun anew with what is stored, a second later, and more rarely each time that it comes no further, once a minute at least.'
    : untilRestart
}

/** On one line. */
export function faultText({ what, sinceMs, next }: Fault): string {
  const since = new Date(sinceMs).toISOString()
  return `${what.replace(/\.$/, '')}, since ${since}. ${next}`.replaceAll('\n', ' ')
}
