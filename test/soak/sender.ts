/**
 * Clients: clicks made at a steady rate, whatever happens, and sent to one of the collectors until it says 200; what
 * was not confirmed goes to the next one, with the same ids and times. Some clicks are sent again on purpose, some
 * happened long ago, some in the future.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { steadyClock, wallClock } from '../../services/base/time.ts'
import { seeded } from '../processor/shop.ts'

const beatMs = 50
const batchClicks = 100
const requestsMax = 16
const answerMsMax = 5_000
const retryDelayMs = 250
const users = 20_000
const minuteMs = 60_000
/** So many of the latest clicks may come again. */
const againOf = 500
const againShare = 0.02
const lateShare = 0.01
const futureShare = 0.001

export interface SentClick {
  readonly type: 'track'
  readonly event: string
  readonly userId: string
  readonly messageId: string
  readonly timestamp: number
  readonly properties?: Readonly<Record<string, unknown>>
}

interface Batch {
  readonly madeAtMs: number
  readonly clicks: readonly SentClick[]
  attempts: number
}

export interface Sender {
  /** `distinct` are numbered from 0: `s0`, `s1`, ...; `future` of them have a time 10 minutes ahead. */
  readonly counts: {
    distinct: number
    future: number
    confirmed: number
    requests: number
    unconfirmed: number
  }
  /** The age of the oldest click that no collector has confirmed yet; 0: all are. */
  waitingMs(): number
  /** So many clicks as fast as the collectors take them; resolves when all are confirmed. */
  send(clicks: number): Promise<void>
  /** Clicks at this rate until `ended` settles; resolves when all that were made are confirmed. */
  run(clicksPerSecond: number, ended: Promise<unknown>): Promise<void>
}

export function createSender(collectorUrls: readonly string[], seed: number): Sender {
  const clickAt = createClicks(seed)
  const counts = { distinct: 0, future: 0, confirmed: 0, requests: 0, unconfirmed: 0 }
  const waiting: Batch[] = []
  const underWay = new Set<Batch>()
  let isMaking = false
  let turn = 0

  function make(count: number): void {
    for (let left = count; left > 0; left -= batchClicks) {
      const clicks = Array.from({ length: Math.min(left, batchClicks) }, () =>
        clickAt(counts, wallClock()),
      )
      waiting.push({ madeAtMs: steadyClock(), clicks, attempts: 0 })
    }
  }

  async function deliver(batch: Batch): Promise<void> {
    underWay.add(batch)
    for (;;) {
      const url = collectorUrls[(turn + batch.attempts++) % collectorUrls.length]!
      counts.requests++
      if (await isConfirmed(url, batch.clicks)) break
      counts.unconfirmed++
      await wait(retryDelayMs)
    }
    counts.confirmed += batch.clicks.length
    underWay.delete(batch)
  }

  async function carry(): Promise<void> {
    while (isMaking || waiting.length > 0) {
      const batch = waiting.shift()
      turn++
      if (batch) await deliver(batch)
      else await wait(beatMs)
    }
  }

  return {
    counts,
    waitingMs() {
      const oldest = Math.min(...[...underWay, ...waiting.slice(0, 1)].map(of => of.madeAtMs))
      return oldest === Number.POSITIVE_INFINITY ? 0 : steadyClock() - oldest
    },
    async send(clicks) {
      make(clicks)
      await Promise.all(Array.from({ length: requestsMax }, carry))
    },
    async run(clicksPerSecond, ended) {
      const startedAtMs = steadyClock()
      let made = 0
      isMaking = true
      const end = () => {
        isMaking = false
      }
      ended.then(end, end)
      const carrying = Array.from({ length: requestsMax }, carry)
      while (isMaking) {
        const elapsedMs = steadyClock() - startedAtMs
        const due = Math.floor((clicksPerSecond * elapsedMs) / 1000) - made
        make(due)
        made += due
        await wait(beatMs)
      }
      await Promise.all(carrying)
    },
  }
}

/** Any other answer, and none, means: unknown. */
async function isConfirmed(url: string, batch: readonly SentClick[]): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/v1/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ batch }),
      signal: AbortSignal.timeout(answerMsMax),
    })
    await answer.text()
    return answer.status === 200
  } catch {
    return false
  }
}

function createClicks(seed: number): (counts: Sender['counts'], nowMs: number) => SentClick {
  const random = seeded(seed)
  const latest: SentClick[] = []
  return (counts, nowMs) => {
    if (latest.length > 0 && random() < againShare)
      return latest[Math.floor(random() * latest.length)]!
    const at = counts.distinct++
    const when = random()
    const isFuture = when >= lateShare && when < lateShare + futureShare
    if (isFuture) counts.future++
    const isOrder = random() < 0.03
    const click: SentClick = {
      type: 'track',
      event: isOrder ? 'Order Completed' : `page ${at % 7}`,
      userId: `user ${Math.floor(random() * users)}`,
      messageId: `s${at}`,
      timestamp: nowMs + offsetMs(when, random()),
      ...(isOrder
        ? { properties: { order_id: `so${at}`, revenue: Math.floor(random() * 20_000) / 100 } }
        : {}),
    }
    latest[at % againOf] = click
    return click
  }
}

/** Late by up to three minutes, ten minutes ahead, or just now. */
function offsetMs(when: number, chance: number): number {
  if (when < lateShare) return -Math.floor(chance * 3 * minuteMs) - minuteMs
  if (when < lateShare + futureShare) return 10 * minuteMs
  return -Math.floor(chance * 900)
}
