/** Starts services, again after their death, and lets them stand still, join and leave as the plan says. */
import type { Chance } from './chance.ts'
import type { Life, Scheduler } from './scheduler.ts'
import type { Running, Setting } from './services.ts'
import { starters } from './services.ts'

/** A process that could not start, or whose partition stands still, is started again so much later. */
const restartMs = 1_500
const standingMs = 6_000

export interface Process {
  readonly service: string
  life: Life
  running: Running | null
  /** It is not to be started again. */
  leaving: boolean
}

export interface Supervisor {
  readonly processes: readonly Process[]
  start(service: string): void
  /** Dies at once; comes again after `forMs`. */
  kill(process: Process, forMs: number): void
  dies(life: Life): void
  /** All die, and none starts before `forMs` are over. */
  haltAll(forMs: number): void
  named(service: string): Process | undefined
  /** Ends in order; it does not come again. */
  leave(process: Process, left: () => void): void
  stand(process: Process, forMs: number, suspended: boolean): void
  skew(process: Process, byMs: number): void
}

export interface SupervisorOptions {
  readonly scheduler: Scheduler
  readonly chance: Chance
  readonly setting: (life: Life, again: () => void) => Setting
  /** Why a process ended by itself, or did not start. */
  readonly ended: (life: Life, error: unknown) => void
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { scheduler, chance } = options
  const processes: Process[] = []
  const skews = new Map<string, number>()
  let lives = 0
  let haltedUntilMs = 0

  function born(service: string): Life {
    const name = `${service}#${++lives}`
    const skewMs = skews.get(service) ?? 0
    return { name, alive: true, stillUntilMs: 0, missedMs: 0, skewMs }
  }

  function begin(process: Process): void {
    if (process.leaving) return
    const haltedMs = haltedUntilMs - scheduler.nowMs()
    if (haltedMs > 0) {
      scheduler.plan(haltedMs, null, `start ${process.service}`, () => begin(process))
      return
    }
    const life = born(process.service)
    process.life = life
    process.running = null
    const again = () => void scheduler.plan(standingMs, life, 'restart', () => kill(process, 100))
    const starter = starters[process.service.split(' ')[0]!]!
    scheduler.plan(0, life, 'start', () => {
      starter(options.setting(life, again)).then(
        running => {
          process.running = running
        },
        error => {
          options.ended(life, error)
          kill(process, restartMs)
        },
      )
    })
  }

  function kill(process: Process, forMs: number): void {
    if (!process.life.alive) return
    process.life.alive = false
    process.running = null
    scheduler.note(`${process.life.name} is dead`)
    if (process.leaving) return
    scheduler.plan(forMs, null, `start ${process.service}`, () => begin(process))
  }

  return {
    processes,
    start(service) {
      const unborn = { ...born(service), alive: false }
      const process = { service, life: unborn, running: null, leaving: false }
      processes.push(process)
      begin(process)
    },
    kill,
    dies(life) {
      const process = processes.find(one => one.life === life)
      if (process) kill(process, chance.between(50, 3_000))
    },
    haltAll(forMs) {
      haltedUntilMs = scheduler.nowMs() + forMs
      for (const process of processes) kill(process, forMs)
    },
    named: service => processes.find(process => process.service === service),
    leave(process, left) {
      const { life, running } = process
      process.leaving = true
      const gone = () => {
        life.alive = false
        process.running = null
        left()
      }
      if (!life.alive || !running) gone()
      else
        scheduler.plan(0, life, 'stop', () => {
          running.stop().then(gone, error => {
            options.ended(life, error)
            gone()
          })
        })
    },
    stand(process, forMs, suspended) {
      const { life } = process
      life.stillUntilMs = Math.max(life.stillUntilMs, scheduler.nowMs() + forMs)
      if (suspended) life.missedMs += forMs
    },
    skew(process, byMs) {
      skews.set(process.service, byMs)
      process.life.skewMs = byMs
    },
  }
}
