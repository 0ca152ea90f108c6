/** The endpoints of the simulation: each writes down every request that reaches it, and answers as the plan says. */
import type { Wire } from '../../services/webhooks/deliver.ts'
import type { Calls, Fate } from './calls.ts'
import type { Chance } from './chance.ts'
import type { Fates } from './fates.ts'
import type { Life, Scheduler } from './scheduler.ts'
import { webhookSettings } from './services.ts'
import { startMs } from './virtual-time.ts'

export interface Received {
  readonly atMs: number
  /** When it was begun: what the dead have left on its way arrives much later. */
  readonly sentAtMs: number
  readonly endpoint: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** What it answered; 0: nothing. */
  readonly code: number
  /** It took the message, but its answer got lost. */
  readonly unheard: boolean
  readonly by: string
}

/** A request as its sender has it: until he has an answer or has given it up. */
export interface Post {
  readonly by: string
  readonly endpoint: number
  readonly fromMs: number
  untilMs: number
}

export interface Receivers {
  readonly received: readonly Received[]
  readonly posts: readonly Post[]
  wireOf(life: Life): Wire
}

class WireError extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

type Answer = Awaited<ReturnType<Wire['post']>>

/** Longer than any timeout of a sender. */
const neverMs = 3_600_000

export function createReceivers(options: {
  readonly scheduler: Scheduler
  readonly calls: Calls
  readonly fates: Fates
  readonly chance: Chance
}): Receivers {
  const { scheduler, calls, fates, chance } = options
  const received: Received[] = []
  const posts: Post[] = []

  /** What the endpoint does to a request that reaches it now. */
  function reaction(endpoint: number): { code: number; headers?: Answer['headers']; fate: Fate } {
    const fate: Fate = {
      delayMs: chance.between(1, 30),
      answerMs: chance.between(1, 60),
      outcome: 'done',
    }
    const reset = new WireError('ECONNRESET')
    switch (fates.receiver(endpoint)) {
      case 'refused':
        return {
          code: 0,
          fate: { ...fate, outcome: 'refused', error: new WireError('ECONNREFUSED') },
        }
      case 'error':
        return { code: chance.pick([500, 502, 503, 404, 401]), fate }
      case 'hang':
        return { code: 0, fate: { ...fate, answerMs: neverMs } }
      case 'reset':
        return { code: 200, fate: { ...fate, outcome: 'lost', error: reset } }
      case 'gone':
        return { code: 410, fate }
      case 'busy':
        return {
          code: 429,
          headers: { 'retry-after': chance.pick(['1', '3', '999999', '-4']) },
          fate,
        }
      case 'busy date': {
        const date = new Date(startMs + scheduler.nowMs() + 2_000).toUTCString()
        return { code: 429, headers: { 'retry-after': date }, fate }
      }
      case 'redirect':
        return { code: 301, headers: { location: 'http://169.254.169.254/' }, fate }
      case 'slow':
        return { code: 200, fate: { ...fate, answerMs: chance.between(500, 2_500) } }
      default:
        return { code: chance.pick([200, 204, 299]), fate }
    }
  }

  function wireOf(life: Life): Wire {
    return {
      post(url, { headers, body, signal }) {
        const endpoint = Number(/receiver-(\d+)/.exec(url)?.[1])
        const { code, headers: answered = {}, fate } = reaction(endpoint)
        const tookMs = fate.delayMs + fate.answerMs
        const unheard = fate.outcome === 'lost' || tookMs > webhookSettings.totalTimeoutMs - 10
        const fromMs = scheduler.nowMs()
        const arrive = (): Answer => {
          const atMs = scheduler.nowMs()
          const about = { endpoint, url, headers, body, code, unheard, by: life.name }
          received.push({ atMs, sentAtMs: fromMs, ...about })
          return { statusCode: code, headers: answered, body: { dump: async () => {} } }
        }
        const post: Post = { by: life.name, endpoint, fromMs, untilMs: Number.POSITIVE_INFINITY }
        posts.push(post)
        const ended = () => {
          post.untilMs = Math.min(post.untilMs, scheduler.nowMs())
        }
        return new Promise((resolve, reject) => {
          const giveUp = () => {
            ended()
            reject(signal.reason)
          }
          signal.addEventListener('abort', giveUp, { once: true })
          calls.call(life, `post to ${endpoint}`, fate, arrive).finally(ended).then(resolve, reject)
        })
      },
      destroy: async () => {},
    }
  }

  return { received, posts, wireOf }
}
