/**
 * Live clicks at a steady rate: most by the log port, some through the collector's door; with repeats, late and
 * false times, and what is no click. Counts what was acknowledged, and when each place of the log was appended.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { partitionOf } from '../../services/base/slot.ts'
import { steadyClock, wallClock } from '../../services/base/time.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import type { Click } from '../../services/log/record.ts'
import { seeded } from '../processor/shop.ts'
import { clicksTopic } from '../servers/compare.ts'

const beatMs = 100
const minuteMs = 60_000
/** Through the collector, of all. */
const doorShare = 0.05
const users = 200_000
/**
 * Between two clicks of a visitor. So twice the clicks are twice the visitors, each as quick as before: that is how a
 * site grows, and the rows of users and sessions grow with the clicks, whatever the rate is.
 */
const clickEverySeconds = 3
/** As in real shops' logs, where they are between eight and nine. */
const clicksPerVisit = 9

/** Where an append began, and when: the records from there on are younger. */
interface Mark {
  readonly offset: number
  readonly atMs: number
}

export interface Traffic {
  /** Acknowledged: by the log, and by the collector. */
  readonly sent: { appended: number; collected: number }
  /** For each partition, ascending; the reader takes off what it is done with. */
  readonly marks: readonly Mark[][]
  /** As many are on the site from now on as make so many clicks. */
  setVisitorsFor(clicksPerSecond: number): void
  /** Clicks at this rate for so long. */
  run(clicksPerSecond: number, durationMs: number, collectorUrl: string): Promise<void>
  /** So many clicks as fast as the log takes them. */
  fill(clicks: number): Promise<void>
}

export function createTraffic(log: Log, partitions: number): Traffic {
  const { clickAt, setVisitors } = createClicks(4711)
  const sent = { appended: 0, collected: 0 }
  const marks: Mark[][] = Array.from({ length: partitions }, () => [])

  async function append(count: number): Promise<void> {
    const records: NewRecord[][] = Array.from({ length: partitions }, () => [])
    for (let index = 0; index < count; index++) {
      const { userId, value } = clickAt(wallClock())
      records[partitionOf(userId, partitions)]!.push({ key: userId, value })
    }
    await Promise.all(
      records.map(async (of, partition) => {
        if (of.length === 0) return
        const atMs = steadyClock()
        const offset = await log.append(clicksTopic, partition, of)
        marks[partition]!.push({ offset, atMs })
        sent.appended += of.length
      }),
    )
  }

  async function collect(count: number, collectorUrl: string): Promise<void> {
    const batch = Array.from({ length: count }, (_, index) => ({
      type: 'track',
      event: 'door',
      userId: `user ${(sent.collected + index) % users}`,
      messageId: `door ${sent.collected + index}`,
    }))
    const answer = await fetch(`${collectorUrl}/v1/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ batch }),
    })
    if (answer.status !== 200) throw new Error(`The collector answered ${answer.status}.`)
    await answer.text()
    sent.collected += count
  }

  const setVisitorsFor = (clicksPerSecond: number) =>
    setVisitors(Math.ceil(clicksPerSecond * clickEverySeconds))

  return {
    sent,
    marks,
    setVisitorsFor,
    async fill(clicks) {
      for (let left = clicks; left > 0; left -= 2000) await append(Math.min(left, 2000))
    },
    async run(clicksPerSecond, durationMs, collectorUrl) {
      setVisitorsFor(clicksPerSecond)
      const startedAtMs = steadyClock()
      const before = sent.appended + sent.collected
      for (;;) {
        const elapsedMs = steadyClock() - startedAtMs
        if (elapsedMs >= durationMs) return
        // Who was held up catches up: it is the rate over all that is kept.
        const wanted = Math.floor((clicksPerSecond * elapsedMs) / 1000)
        const due = wanted - (sent.appended + sent.collected - before)
        const collected = Math.min(500, Math.round(due * doorShare))
        await Promise.all([
          append(due - collected),
          collected > 0 ? collect(collected, collectorUrl) : undefined,
        ])
        await wait(beatMs)
      }
    },
  }
}

/**
 * Visits, as in a shop: whoever clicks is one of those who are there, and about one click in nine is the last of a
 * visit, after which somebody else comes. So there are as many sessions, closed ones too, for each click at any rate.
 */
function createClicks(seed: number): {
  clickAt(nowMs: number): { userId: string; value: Buffer }
  setVisitors(count: number): void
} {
  const random = seeded(seed)
  const anybody = () => `user ${Math.floor(random() * users)}`
  const there: string[] = []
  /** Who made the last clicks: some come again a little later, with the id and the user of the first time. */
  const makers = Array.from({ length: 200 }, () => '')
  let made = 0

  function setVisitors(count: number): void {
    there.length = Math.min(there.length, count)
    while (there.length < count) there.push(anybody())
  }

  function clickAt(nowMs: number) {
    const at = made++
    const of =
      random() < 0.02 && at > 0 ? at - Math.ceil(random() * Math.min(at, makers.length - 1)) : at
    if (of === at) {
      const place = Math.floor(random() * there.length)
      makers[at % makers.length] = there[place]!
      if (random() * clicksPerVisit < 1) there[place] = anybody()
    } else makers[at % makers.length] = makers[of % makers.length]!
    const userId = makers[of % makers.length]!
    const kind = random()
    if (kind < 0.003) return { userId, value: Buffer.from('{"no": "click"}') }
    const order = kind < 0.008
    const click: Click = {
      kind: 'click',
      eventId: `e${of}`,
      userId,
      anonymousId: null,
      type: kind > 0.99 ? 'identify' : 'track',
      name: order ? 'Order Completed' : `page ${of % 7}`,
      timestampMs: nowMs + offsetMs(random()),
      receivedAtMs: nowMs,
      url: null,
      referrer: null,
      value: order ? Math.floor(random() * 20_000) / 100 : null,
      currency: null,
      orderId: order ? `o${of}` : null,
      properties: '',
      context: '',
      imported: false,
    }
    return { userId, value: encodeRecord(click) }
  }

  return { clickAt, setVisitors }
}

/**
 * One in a hundred is late, one in a thousand stamped in the future, one in ten up to a second ago; the others have
 * just been made, as clicks of one visitor mostly come in their order.
 */
function offsetMs(chance: number): number {
  if (chance < 0.01) return -Math.floor(chance * 100 * 3 * minuteMs) - minuteMs
  if (chance < 0.011) return 10 * minuteMs
  return -Math.floor(chance < 0.111 ? (chance - 0.011) * 9000 : chance * 50)
}
