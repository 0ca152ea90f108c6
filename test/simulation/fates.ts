/** What becomes of each call: how long it takes, and whether a fault of the plan strikes it. */
import { EbbError } from '../../services/base/errors.ts'
import type { Fate } from './calls.ts'
import type { Chance } from './chance.ts'
import { refusedByStore, type StoreFates } from './clickhouse/store-port.ts'
import type { LogFates } from './kafka/log-port.ts'
import type { CallFault, Fault, Plan } from './plan.ts'
import type { Life } from './scheduler.ts'

export interface Fates extends LogFates, StoreFates {
  /** The fault that strikes a request to the endpoint now. */
  receiver(endpoint: number): Extract<Fault, { kind: 'receiver' }>['how'] | undefined
  /** Whether the answer to a client is lost on its way. */
  losesAnswer(): boolean
}

/** A call to what cannot be reached fails after so long. */
const noAnswerMs = 1_500

export function fatesOf(plan: Plan, chance: Chance, nowMs: () => number): Fates {
  const isOn = ({ fromMs, forMs }: Fault) => nowMs() >= fromMs && nowMs() < fromMs + forMs
  const on = <Kind extends Fault['kind']>(kind: Kind) =>
    plan.faults.filter(
      (fault): fault is Extract<Fault, { kind: Kind }> => fault.kind === kind && isOn(fault),
    )
  const isCut = ({ name }: Life, from: 'group' | 'log' | 'store') =>
    on('cut').some(fault => fault.from === from && name.startsWith(`${fault.service}#`))

  function usual(highMs: number): Fate {
    return {
      delayMs: chance.between(0.2, highMs),
      answerMs: chance.between(0.2, highMs),
      outcome: 'done',
    }
  }

  function struck(fate: Fate, how: CallFault, error: Error): Fate {
    if (how === 'slow') return { ...fate, delayMs: chance.between(300, 4_000) }
    if (how === 'twice') return { ...fate, outcome: 'twice' }
    const answerMs = chance.pick([fate.answerMs, 200, noAnswerMs])
    return { ...fate, answerMs, outcome: how, error, lateMs: chance.between(0, 3_000) }
  }

  function unreachable(fate: Fate, error: Error): Fate {
    return { ...fate, answerMs: noAnswerMs, outcome: 'refused', error }
  }

  const noLog = () => new EbbError('logUnreachable', 'The simulated Kafka does not answer.')

  return {
    append(life, topic) {
      const fate = usual(6)
      if (isCut(life, 'log')) return unreachable(fate, noLog())
      const fault = on('append').find(one => one.topic === topic && chance.often(one.share))
      return fault ? struck(fate, fault.how, noLog()) : fate
    },
    read(life) {
      const fate = usual(4)
      return isCut(life, 'log') ? unreachable(fate, noLog()) : fate
    },
    fetchMs: life => (isCut(life, 'log') ? null : chance.between(0.2, 5)),
    groupMs: life => (isCut(life, 'group') ? null : chance.between(0.2, 4)),
    write(life) {
      const fate = usual(12)
      if (isCut(life, 'store')) return unreachable(fate, refusedByStore('no way to it'))
      const fault = on('store').find(one => chance.often(one.share))
      return fault ? struck(fate, fault.how, refusedByStore(`fault ${fault.how}`)) : fate
    },
    query(life) {
      const fate = usual(8)
      if (isCut(life, 'store')) return unreachable(fate, refusedByStore('no way to it'))
      const fault = on('store').find(one => chance.often(one.share))
      if (!fault || fault.how === 'twice') return fate
      if (fault.how === 'slow') return struck(fate, 'slow', refusedByStore('slow'))
      return unreachable(fate, refusedByStore('a query'))
    },
    receiver: endpoint => on('receiver').find(fault => fault.endpoint === endpoint)?.how,
    losesAnswer: () => on('answers').some(({ share }) => chance.often(share)),
  }
}
