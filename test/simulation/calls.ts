/**
 * What a life asks of the world: of the log, the tables, a receiver. A call leaves at once, arrives a while later, has
 * its effect, and its answer comes a while after that:
 *
 *   call -> arrives: checkpoint, effect -> answered: checkpoint, the caller goes on
 *
 * A checkpoint is where the process may die: before the effect, and after it but before the caller hears. Checkpoints
 * are counted over the whole run. A wait for nothing outside (a timer, a turn of the event loop) has none: the
 * world is then as at the call before or after it. Reads have only the second: dying before one differs in nothing.
 *
 * A call of a dead life is never answered; whether one under way still has its effect, and when, is chance. Where a bug
 * of ours strikes, the caller throws instead of going on.
 */
import type { Chance } from './chance.ts'
import type { Death } from './plan.ts'
import type { Life, Scheduler } from './scheduler.ts'

/** Something is wrong with the simulation itself: it ends the run. */
export class SimulationError extends Error {}

/** Thrown where no code of ours expects an error. */
export class SimulatedBug extends TypeError {}

/** What becomes of a call. */
export interface Fate {
  /** Until it arrives, and from there to its answer. */
  readonly delayMs: number
  readonly answerMs: number
  /**
   * `refused`: no effect and an error; `lost`: effect and an error; `late`: an error, and the effect afterwards;
   * `twice`: the effect two times, since somebody on the way sent it again.
   */
  readonly outcome: 'done' | 'refused' | 'lost' | 'late' | 'twice'
  /** Of a refused, lost or late one. */
  readonly error?: Error
  /** Of a late one: so long after the error. */
  readonly lateMs?: number
}

export interface Calls {
  /** `effect` happens at the world's side, at once and whole. */
  call<Answer>(life: Life, label: string, fate: Fate, effect: () => Answer): Promise<Answer>
  read<Answer>(life: Life, label: string, fate: Fate, look: () => Answer): Promise<Answer>
  /** Checkpoints so far. */
  count(): number
}

/** A request that its sender's death has left on its way arrives so much later, at most. */
const orphanMsMax = 3_000

export function createCalls(options: {
  readonly scheduler: Scheduler
  readonly chance: Chance
  /** Numbers of the checkpoints at which whoever comes by dies, ascending. */
  readonly crashes: readonly number[]
  readonly deaths: readonly Death[]
  readonly bugs: readonly Death[]
  /** A bug strikes there. */
  readonly breaks: (life: Life) => void
  readonly die: (life: Life, checkpoint: number) => void
}): Calls {
  const { scheduler, chance, crashes, deaths, bugs } = options
  const seen = new Map([...deaths, ...bugs].map(one => [one, 0]))
  let count = 0
  let crashed = 0

  /** False: the life has just ended here. */
  function passes(life: Life, label: string, answered: boolean): boolean {
    count++
    const isMortal = answered && deaths.filter(death => isHis(death, label)).length > 0
    if (crashes[crashed] === count) crashed++
    else if (!isMortal) return true
    scheduler.note(`checkpoint ${count}: ${life.name} dies at ${label}`)
    options.die(life, count)
    return false
  }

  function isHis(death: Death, label: string): boolean {
    if (!label.includes(death.call)) return false
    const count = seen.get(death)! + 1
    seen.set(death, count)
    return count === death.nth
  }

  function isBroken(life: Life, label: string): boolean {
    if (life.name.startsWith('collector')) return false
    return bugs.filter(bug => isHis(bug, label)).length > 0
  }

  function later(effect: () => void, label: string, delayMs: number): void {
    scheduler.plan(delayMs, null, `${label} late`, () => attempt(effect))
  }

  function orphan(effect: () => void, label: string): void {
    if (chance.often(0.5)) later(effect, label, chance.between(0, orphanMsMax))
  }

  function call<Answer>(life: Life, label: string, fate: Fate, effect: () => Answer) {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const settle = (then: () => void) =>
      scheduler.plan(fate.answerMs, life, `${label} answered`, () => {
        if (!passes(life, label, true)) return
        if (!isBroken(life, label)) return then()
        options.breaks(life)
        reject(new SimulatedBug(`a bug strikes ${life.name} behind ${label}`))
      })
    scheduler.plan(fate.delayMs, null, `${life.name} ${label}`, () => {
      if (!life.alive || !passes(life, label, false)) return orphan(effect, label)
      const { outcome, error } = fate
      if (outcome === 'late') later(effect, label, fate.answerMs + (fate.lateMs ?? 0))
      if (outcome === 'refused' || outcome === 'late') return void settle(() => reject(error))
      const done = attempt(effect)
      if (outcome === 'twice') attempt(effect)
      if ('error' in done) settle(() => reject(done.error))
      else if (outcome === 'lost') settle(() => reject(error))
      else settle(() => resolve(done.answer))
    })
    return promise
  }

  function read<Answer>(life: Life, label: string, fate: Fate, look: () => Answer) {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    scheduler.plan(fate.delayMs, null, `${life.name} ${label}`, () => {
      const done = fate.outcome === 'done' ? attempt(look) : { error: fate.error }
      scheduler.plan(fate.answerMs, life, `${label} answered`, () => {
        if (!passes(life, label, true)) return
        if ('error' in done) reject(done.error)
        else resolve(done.answer)
      })
    })
    return promise
  }

  return { call, read, count: () => count }
}

function attempt<Answer>(task: () => Answer): { answer: Answer } | { error: unknown } {
  try {
    return { answer: task() }
  } catch (error) {
    if (error instanceof SimulationError) throw error
    return { error }
  }
}
