/**
 * Virtual time: one queue of events, by time and then by chance of the seed. One event fires at a time, and all that
 * it sets off is through before the next: Node drains promises and ticks between two immediates.
 * Whatever the services wait for is resolved by an event and by nothing else, so one seed gives one trace.
 *
 * Every event belongs to a life, a process of the simulation, or to the world around (null). What runs because an
 * event fired belongs to the same life: `current` says which. Events of a dead life are dropped; those of one that
 * stands still wait until it goes on.
 */
import { hash } from 'node:crypto'
import type { Chance } from './chance.ts'
import { pop, push } from './queue.ts'

/** One process from its start to its end. */
export interface Life {
  readonly name: string
  alive: boolean
  /** It does nothing before this time: stopped by a signal, or its event loop is blocked. */
  stillUntilMs: number
  /** What its steady clock has missed: a suspended machine does not count. */
  missedMs: number
  /** How far its wall clock is off. */
  skewMs: number
}

export interface Scheduled {
  timeMs: number
  readonly tie: number
  readonly life: Life | null
  readonly label: string
  readonly fire: () => void
  cancelled: boolean
}

export interface Scheduler {
  /** Virtual ms since the beginning. */
  nowMs(): number
  /** Whom what runs now belongs to. */
  current(): Life | null
  /** `delayMs` from now. */
  plan(delayMs: number, life: Life | null, label: string, fire: () => void): Scheduled
  /** Adds a line to the trace. */
  note(line: string): void
  /** Runs until `isOver`, or until nothing is left to happen. */
  run(isOver: () => boolean): Promise<void>
  /** Of all that happened, as hex. */
  trace(): string
}

/** Between two immediates Node drains promises and ticks; so many of them share one round of the event loop. */
const turnsAtOnce = 64
/** The trace is hashed in pieces of so many characters. */
const tracePieceLength = 32_768

export function createScheduler(chance: Chance, tell?: (line: string) => void): Scheduler {
  const queue: Scheduled[] = []
  let nowMs = 0
  let current: Life | null = null
  let digest = ''
  let piece = ''

  function note(line: string): void {
    piece += `${line}\n`
    if (piece.length > tracePieceLength) fold()
    tell?.(line)
  }

  function fold(): void {
    digest = hash('sha256', digest + piece)
    piece = ''
  }

  /** The next event that has something to do. */
  function next(): Scheduled | undefined {
    for (let event = pop(queue); event; event = pop(queue)) {
      const { life } = event
      if (event.cancelled || (life && !life.alive)) continue
      if (!life || life.stillUntilMs <= event.timeMs) return event
      event.timeMs = life.stillUntilMs
      push(queue, event)
    }
    return undefined
  }

  return {
    nowMs: () => nowMs,
    current: () => current,
    plan(delayMs, life, label, fire) {
      const timeMs = nowMs + Math.max(0, delayMs)
      const event = { timeMs, tie: chance.share(), life, label, fire, cancelled: false }
      push(queue, event)
      return event
    },
    note,
    run(isOver) {
      return new Promise((resolve, reject) => {
        let ended = false
        let planned = 0
        const end = (settle: () => void) => {
          ended = true
          settle()
        }
        const step = () => {
          planned--
          if (ended) return
          try {
            current = null
            const event = isOver() ? undefined : next()
            if (!event) return end(resolve)
            nowMs = event.timeMs
            current = event.life
            note(`${nowMs.toFixed(3)} ${event.life?.name ?? 'world'} ${event.label}`)
            event.fire()
          } catch (error) {
            return end(() => reject(error))
          }
          if (planned === 0) planTurns()
        }
        const planTurns = () => {
          for (; planned < turnsAtOnce; planned++) setImmediate(step)
        }
        planTurns()
      })
    },
    trace() {
      fold()
      return digest.slice(0, 32)
    },
  }
}
