/** What one seed decides beforehand: how large the simulation is, and which faults come when. */
import { type Chance, chanceOf } from './chance.ts'
import type { Move } from './kafka/leaders.ts'

/** What becomes of a share of the calls of one kind in a window. */
export type CallFault = 'refused' | 'lost' | 'late' | 'twice' | 'slow'
export type ReceiverFault =
  | 'refused'
  | 'error'
  | 'hang'
  | 'reset'
  | 'gone'
  | 'busy'
  | 'busy date'
  | 'redirect'
  | 'slow'

/** A new secret or URL, as a revision of the endpoint's row; or it is removed. */
export type EndpointChange = 'secret' | 'url' | 'removed'

interface Window {
  readonly fromMs: number
  readonly forMs: number
}

/** Services are named by kind and number, e.g. `processor 1`. */
export type Fault = Window &
  (
    | { readonly kind: 'store'; readonly how: CallFault; readonly share: number }
    | {
        readonly kind: 'append'
        readonly how: CallFault
        readonly share: number
        readonly topic: string
      }
    | {
        readonly kind: 'cut'
        readonly service: string
        readonly from: 'group' | 'log' | 'store'
      }
    /** Killed; started again after `forMs`. */
    | { readonly kind: 'kill'; readonly service: string }
    /** Stands still; `suspended`: with its steady clock. */
    | { readonly kind: 'still'; readonly service: string; readonly suspended: boolean }
    | { readonly kind: 'skew'; readonly service: string; readonly byMs: number }
    /** The clock of a partition's leader is off. */
    | {
        readonly kind: 'leader'
        readonly topic: string
        readonly partition: number
        readonly byMs: number
      }
    /** The leader goes at the next append, for `forMs` nobody leads, and then a broker whose clock is off by `byMs`. */
    | (Omit<Move, 'forMs'> & {
        readonly kind: 'move'
        readonly topic: string
        readonly partition: number
      })
    /** Another processor or webhooks joins the group, and leaves it in order. */
    | { readonly kind: 'visitor'; readonly of: 'processor' | 'webhooks' }
    | { readonly kind: 'receiver'; readonly endpoint: number; readonly how: ReceiverFault }
    | { readonly kind: 'endpoint'; readonly endpoint: number; readonly how: EndpointChange }
    | { readonly kind: 'answers'; readonly share: number }
    | { readonly kind: 'retention' }
    /** Our own code throws behind the nth call of this kind, of a processor or webhooks. */
    | ({ readonly kind: 'bug' } & Death)
    /** All stops, the tables are set back to what they were `forMs` before, and all starts again. */
    | { readonly kind: 'backup' }
  )

export interface Plan {
  readonly seed: number
  readonly clicks: number
  readonly users: number
  readonly partitions: number
  readonly collectors: number
  readonly processors: number
  readonly webhooks: number
  readonly endpoints: number
  /** Until clients and operators are through, and all faults are over. */
  readonly activeMs: number
  readonly guards: 'off' | 'on'
  readonly faults: readonly Fault[]
  /** Numbers of the checkpoints at which whoever comes by dies, ascending. */
  readonly crashes: readonly number[]
  readonly deaths: readonly Death[]
  readonly damage: Damage | null
}

/**
 * What nobody can go on from, done to partition 0 of the clicks while no processor runs: retention took records that
 * were never folded; the last ones are lost, and others stand in their place; the topic was made anew.
 */
export type Damage = 'expired' | 'cut' | 'replaced' | 'recreated'

/** Somebody dies when the nth call of this kind has had its effect, before he hears of it. */
export interface Death {
  readonly call: string
  readonly nth: number
}

/** What a run adds to the plan of its seed. */
export interface Changes {
  readonly crashes?: readonly number[]
  readonly damage?: Damage
}

export const clicksTopic = 'ebb.clicks'
export const alertsTopic = 'ebb.alerts'

const activeMs = 30_000
/** What a crash may fall behind, by the end of its label; the gaps that matter most are the narrowest. */
const mortal = [
  'into clicks',
  'into sessions',
  'into user_days',
  'into alerts',
  'into users',
  'into users',
  'into users',
  'into progress',
  'into progress',
  'into deliveries',
  'to ebb.alerts',
  'to ebb.clicks',
  'post to',
] as const
/** Where a bug of ours strikes: what partitions are written by. */
const broken = [
  'into clicks',
  'into sessions',
  'into user_days',
  'into alerts',
  'into users',
  'into progress',
  'to ebb.alerts',
] as const
const callFaults = ['refused', 'lost', 'late', 'twice', 'slow'] as const
const endpointChanges = ['secret', 'secret', 'url', 'removed'] as const
const receiverFaults = [
  'refused',
  'error',
  'error',
  'hang',
  'reset',
  'gone',
  'busy',
  'busy date',
  'redirect',
  'slow',
] as const

export function planOf(seed: number, changes: Changes = {}): Plan {
  const chance = chanceOf(seed, 'plan')
  const size = {
    seed,
    clicks: chance.whole(15, 60),
    users: chance.whole(2, 7),
    partitions: chance.pick([1, 2, 2, 4]),
    collectors: chance.whole(1, 2),
    processors: chance.pick([1, 2, 2, 3]),
    webhooks: chance.pick([1, 1, 2]),
    endpoints: chance.whole(1, 3),
    activeMs,
    guards: chance.pick(['off', 'off', 'on'] as const),
  }
  const count = chance.pick([0, 1, 2, 3, 4, 6, 8])
  const faults = Array.from({ length: count }, () => faultOf(chance, size))
  const deaths = Array.from({ length: chance.pick([0, 1, 2, 3, 4, 6, 8]) }, () => ({
    call: chance.pick(mortal),
    nth: chance.whole(1, 30),
  }))
  return {
    ...size,
    faults: [...faults, ...movesOf(seed, size), ...bugsOf(seed)],
    crashes: changes.crashes ?? [],
    deaths,
    damage: changes.damage ?? null,
  }
}

type Size = Omit<Plan, 'faults' | 'crashes' | 'deaths' | 'damage'>

function faultOf(chance: Chance, size: Size): Fault {
  const fromMs = chance.whole(500, activeMs)
  const forMs = chance.pick([300, 1_000, 3_000, 8_000, 15_000])
  const window = { fromMs, forMs: Math.min(forMs, activeMs - fromMs + 500) }
  const topic = chance.pick([clicksTopic, alertsTopic])
  const service = chance.pick(servicesOf(size))
  const how = chance.pick(callFaults)
  const share = chance.pick([0.1, 0.3, 1])
  const kinds: readonly (() => Fault)[] = [
    () => ({ kind: 'store', ...window, how, share }),
    () => ({ kind: 'store', ...window, how, share }),
    () => ({ kind: 'append', ...window, how, share, topic }),
    () => ({ kind: 'append', ...window, how, share, topic }),
    () => ({ kind: 'cut', ...window, service, from: chance.pick(['group', 'log', 'store']) }),
    // Long enough to lose all, and to get it back from memory.
    () => ({ kind: 'cut', fromMs, forMs: 8_000, service, from: 'group' }),
    () => ({ kind: 'still', fromMs, forMs: 8_000, service, suspended: false }),
    () => ({ kind: 'kill', ...window, service }),
    () => ({ kind: 'kill', ...window, service }),
    () => ({ kind: 'still', ...window, service, suspended: chance.often(0.4) }),
    () => ({ kind: 'skew', ...window, service, byMs: chance.whole(-15_000, 15_000) }),
    () => {
      const partition = chance.whole(0, size.partitions - 1)
      return { kind: 'leader', ...window, topic, partition, byMs: chance.whole(-10_000, 10_000) }
    },
    () => ({ kind: 'visitor', ...window, of: chance.pick(['processor', 'webhooks']) }),
    () => {
      const endpoint = chance.whole(1, size.endpoints)
      return { kind: 'receiver', ...window, endpoint, how: chance.pick(receiverFaults) }
    },
    () => {
      const endpoint = chance.whole(1, size.endpoints)
      return { kind: 'endpoint', fromMs, forMs: 0, endpoint, how: chance.pick(endpointChanges) }
    },
    () => ({ kind: 'answers', ...window, share }),
    () => ({ kind: 'retention', ...window }),
    () => ({ kind: 'backup', ...window }),
  ]
  return chance.pick(kinds)()
}

/** Of a chance of their own: the other faults of a seed are what they would be without. */
function movesOf(seed: number, { partitions }: Size): Fault[] {
  const chance = chanceOf(seed, 'moves')
  const move = (): Fault => {
    const fromMs = chance.whole(500, activeMs)
    return {
      kind: 'move',
      fromMs,
      // The longest is more than an append is tried again for.
      forMs: Math.min(chance.pick([300, 1_000, 3_000, 18_000]), activeMs - fromMs + 500),
      topic: chance.pick([clicksTopic, clicksTopic, alertsTopic]),
      partition: chance.whole(0, partitions - 1),
      how: chance.pick(['steps down', 'dies']),
      moment: chance.pick(['before', 'behind']),
      byMs: chance.whole(-10_000, 10_000),
    }
  }
  return Array.from({ length: chance.pick([0, 0, 1, 2]) }, move)
}

/** As `movesOf`. */
function bugsOf(seed: number): Fault[] {
  const chance = chanceOf(seed, 'bugs')
  const bug = (): Fault => {
    const [call, nth] = [chance.pick(broken), chance.whole(1, 20)]
    return { kind: 'bug', fromMs: 0, forMs: 0, call, nth }
  }
  return Array.from({ length: chance.pick([0, 0, 0, 1, 2]) }, bug)
}

export function servicesOf(size: Pick<Plan, 'collectors' | 'processors' | 'webhooks'>): string[] {
  const named = (kind: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${kind} ${index + 1}`)
  return [
    ...named('collector', size.collectors),
    ...named('processor', size.processors),
    ...named('webhooks', size.webhooks),
  ]
}

export function faultCount({ faults, crashes, deaths }: Plan): number {
  return faults.length + crashes.length + deaths.length
}
