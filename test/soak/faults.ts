/** The faults of the soak: each strikes real processes, and resolves when what was done to them is over. */
import { setTimeout as wait } from 'node:timers/promises'
import { exceptionAnswer, type Fault as Harm, inserts, insertsInto } from '../servers/proxy.ts'
import type { Kept } from './keeper.ts'
import type { Mood } from './receiver.ts'
import type { SoakScene } from './scene.ts'

export interface SoakFault {
  readonly kind: string
  /** What comes back, when it is over: clicks into the tables, or alerts to the receiver. */
  readonly recovers: 'clicks' | 'alerts'
  strike(scene: SoakScene, chance: () => number): Promise<void>
}

/** Longer than a group waits for a member that says nothing. */
const frozenMs = 12_000
/** Shorter than that; longer than clients wait for an answer. */
const shortlyFrozenMs = 6_000
const brokerFrozenMs = 6_000
const harmMs = 6_000
const slowMs = 2_000
/** Shorter than the first wait of a delivery, so that one fault does not fail a message twice. */
const moodMs = 3_000
const visitMs = 4_000
const insertMsMax = 5_000

function pick<Item>(items: readonly Item[], chance: () => number): Item {
  return items[Math.floor(chance() * items.length)]!
}

async function kill(service: Kept): Promise<void> {
  service.signal('SIGKILL')
  await service.gone()
  await service.runs()
}

async function freeze(service: Kept, forMs: number): Promise<void> {
  service.signal('SIGSTOP')
  await wait(forMs)
  service.signal('SIGCONT')
}

async function leave(service: Kept): Promise<void> {
  await service.leave()
  await service.runs()
}

function processor(kind: string, does: (service: Kept) => Promise<void>): SoakFault {
  return {
    kind: `processor: ${kind}`,
    recovers: 'clicks',
    strike: ({ processors }, chance) => does(pick(processors, chance)),
  }
}

function collector(kind: string, does: (service: Kept) => Promise<void>): SoakFault {
  return {
    kind: `collector: ${kind}`,
    recovers: 'clicks',
    strike: ({ collectors }, chance) => does(pick(collectors, chance)),
  }
}

function webhooks(kind: string, does: (service: Kept) => Promise<void>): SoakFault {
  return {
    kind: `webhooks: ${kind}`,
    recovers: 'alerts',
    strike: scene => does(scene.webhooks),
  }
}

/** One that ends is started again by its keeper. */
function brokerEnds(signal: 'SIGKILL' | 'SIGTERM'): SoakFault {
  return {
    kind: `broker: ${signal}`,
    recovers: 'clicks',
    async strike({ brokers }, chance) {
      const broker = pick([0, 1, 2], chance)
      await brokers.signal(broker, signal)
      await brokers.restarted(broker)
    },
  }
}

const brokerFrozen: SoakFault = {
  kind: 'broker: SIGSTOP, SIGCONT',
  recovers: 'clicks',
  async strike({ brokers }, chance) {
    const broker = pick([0, 1, 2], chance)
    await brokers.signal(broker, 'SIGSTOP')
    await wait(brokerFrozenMs)
    await brokers.signal(broker, 'SIGCONT')
  },
}

/** In the middle of an insert into that table, where one comes in time. */
function clickhouseKilled(table: string): SoakFault {
  return {
    kind: 'ClickHouse: SIGKILL during an insert',
    recovers: 'clicks',
    async strike({ proxy, clickhouse }) {
      const inserting = proxy.strikes()
      await proxy.suffer({ kind: 'slow', delayMs: 0, request: insertsInto(table) }, 1)
      await Promise.race([inserting, wait(insertMsMax)])
      await kill(clickhouse)
      await proxy.suffer({ kind: 'none' })
    },
  }
}

const clickhouseFrozen: SoakFault = {
  kind: 'ClickHouse: SIGSTOP, SIGCONT',
  recovers: 'clicks',
  strike: ({ clickhouse }) => freeze(clickhouse, shortlyFrozenMs),
}

function wayToClickhouse(kind: string, harm: Harm): SoakFault {
  return {
    kind: `way to ClickHouse: ${kind}`,
    recovers: 'clicks',
    async strike({ proxy }) {
      await proxy.suffer(harm)
      await wait(harmMs)
      await proxy.suffer({ kind: 'none' })
    },
  }
}

function receiver(kind: string, mood: Mood): SoakFault {
  return {
    kind: `receiver: ${kind}`,
    recovers: 'alerts',
    async strike(scene) {
      scene.receiver.suffer(mood)
      await wait(moodMs)
      scene.receiver.suffer('well')
    },
  }
}

const visitor: SoakFault = {
  kind: 'group: a third processor joins and leaves',
  recovers: 'clicks',
  async strike({ startProcessor }) {
    const third = await startProcessor()
    await wait(visitMs)
    const status = await third.stop('SIGTERM')
    if (status !== 0) throw new Error(`a processor stopped with ${status}:\n${third.output()}`)
  },
}

export const soakFaults: readonly SoakFault[] = [
  processor('SIGKILL', kill),
  processor('SIGSTOP, another takes over, SIGCONT', service => freeze(service, frozenMs)),
  processor('SIGTERM', leave),
  visitor,
  collector('SIGKILL', kill),
  collector('SIGSTOP, SIGCONT', service => freeze(service, shortlyFrozenMs)),
  collector('SIGTERM', leave),
  webhooks('SIGKILL', kill),
  webhooks('SIGSTOP, SIGCONT', service => freeze(service, frozenMs)),
  brokerEnds('SIGKILL'),
  brokerEnds('SIGTERM'),
  brokerFrozen,
  clickhouseKilled('clicks'),
  clickhouseKilled('users'),
  clickhouseFrozen,
  wayToClickhouse('refused', { kind: 'refused' }),
  wayToClickhouse('silent', { kind: 'silent' }),
  wayToClickhouse('each insert 2 s slower', { kind: 'slow', delayMs: slowMs, request: inserts }),
  wayToClickhouse('cut in the request', {
    kind: 'cut',
    of: 'request',
    bytes: 600,
    request: inserts,
  }),
  wayToClickhouse('applied, the answer is lost', {
    ...{ kind: 'cut', of: 'answer', bytes: 0, request: inserts },
  }),
  wayToClickhouse('no memory for inserts', {
    kind: 'answered',
    answer: exceptionAnswer(241, 'MEMORY_LIMIT_EXCEEDED'),
    request: inserts,
  }),
  receiver('answers 500', 'error'),
  receiver('hangs', 'hang'),
  receiver('closes connections', 'close'),
]

/** Those whose name has these words. Throws where none has. */
export function faultsNamed(words: string): SoakFault[] {
  const named = soakFaults.filter(({ kind }) => kind.includes(words))
  if (named.length === 0) throw new Error(`--only ${words}: no fault has this in its name.`)
  return named
}

/** Which comes when: each once in an order of chance, then each once again in another. */
export function* sequenceOf(
  faults: readonly SoakFault[],
  chance: () => number,
): Generator<SoakFault> {
  for (;;) {
    const bag = [...faults]
    while (bag.length > 0) yield bag.splice(Math.floor(chance() * bag.length), 1)[0]!
  }
}
