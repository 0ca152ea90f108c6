/**
 * Trackers of a shop's visitors: each click is sent until it is answered for good, and sometimes once more. What they
 * did and were told is the journal that the checkers begin from.
 */
import type { IncomingMessage } from 'node:http'
import type { CollectorOptions } from '../../services/collector/app.ts'
import { requestReject } from '../../services/collector/door-reject.ts'
import { Refusal } from '../../services/collector/refusal.ts'
import { takeRequest } from '../../services/collector/requests.ts'
import type { Chance } from './chance.ts'
import type { Fates } from './fates.ts'
import type { Plan } from './plan.ts'
import type { Scheduler } from './scheduler.ts'
import type { Process, Supervisor } from './supervisor.ts'
import { startMs } from './virtual-time.ts'

export interface JournalEntry {
  readonly id: string
  readonly userId: string
  readonly event: Readonly<Record<string, unknown>>
  /** It was answered 200 as durable, at least once. */
  confirmed: boolean
  /** It was refused for good. */
  refused: boolean
}

export interface Clients {
  readonly journal: ReadonlyMap<string, JournalEntry>
  /** Bodies of answers, for looking for what must not be in them. */
  readonly answers: readonly string[]
  /** Requests that are not answered for good. */
  open(): number
  begin(): void
}

/** In every click's properties and every bad body: nobody may repeat it in a log line or an answer. */
export const payloadMark = 'payload-7f3a'
const timeoutMs = 2_500
const minuteMs = 60_000

interface Answer {
  readonly status: number
  readonly body: string
}

export function createClients(options: {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly chance: Chance
  readonly fates: Fates
  readonly supervisor: Supervisor
}): Clients {
  const { plan, scheduler, chance, fates, supervisor } = options
  const journal = new Map<string, JournalEntry>()
  const answers: string[] = []
  let open = 0

  function begin(): void {
    for (let count = chance.whole(0, 3); count > 0; count--)
      scheduler.plan(chance.between(0, plan.activeMs), null, 'garbage', sendGarbage)
    for (const [atMs, entries] of visitsOf(plan, chance)) {
      for (const entry of entries) journal.set(entry.id, entry)
      open++
      scheduler.plan(atMs, null, 'client', () => send(entries))
    }
  }

  /** What no tracker would send, but somebody does. */
  function sendGarbage(): void {
    const text = chance.pick([
      `{"batch": "${payloadMark}"`,
      `{"batch": []}`,
      `["${payloadMark}"]`,
      `{"batch": [{"userId": "user-1", "a": ${'['.repeat(400)}${']'.repeat(400)}}]}`,
      `{"batch": [{"userId": "user-1", "__proto__": {"note": "${payloadMark}"}}]}`,
      `{"batch": [{"userId": "${'\\ud800'}", "timestamp": 1e999}, null, 7]}`,
      '',
    ])
    request(Buffer.from(text), null, answer => {
      if (answer) answers.push(answer.body)
    })
  }

  /** Sends until there is an answer that a tracker does not try again after. */
  function send(entries: readonly JournalEntry[]): void {
    const events = entries.map(({ event }) => event)
    const single = events.length === 1 && chance.often(0.5)
    const body = single ? events[0]! : { batch: events }
    const type = single ? String(body.type ?? 'track') : null
    request(Buffer.from(JSON.stringify(body)), type, answer => {
      if (!answer || answer.status >= 500) {
        const waitMs = chance.between(100, 2_000)
        scheduler.plan(waitMs, null, 'client again', () => send(entries))
        return
      }
      answers.push(answer.body)
      hear(entries, answer)
      if (chance.often(0.05))
        scheduler.plan(chance.between(0, 9_000), null, 'again', () => send(entries))
      else open--
    })
  }

  function hear(entries: readonly JournalEntry[], { body }: Answer): void {
    const { rejected = [] } = JSON.parse(body) as { rejected?: { index: number }[] }
    const bad = new Set(rejected.map(({ index }) => index))
    entries.forEach((entry, index) => {
      if (bad.has(index)) entry.refused = true
      else entry.confirmed = true
    })
  }

  /** `told` is called once: with the answer, or without one after a while. */
  function request(
    bytes: Buffer,
    type: string | null,
    told: (answer: Answer | undefined) => void,
  ): void {
    let over = false
    const tell = (answer: Answer | undefined) => {
      if (over) return
      over = true
      told(answer)
    }
    scheduler.plan(timeoutMs, null, 'client timeout', () => tell(undefined))
    const collector = chance.pick(collectors())
    const { life } = collector
    scheduler.plan(chance.between(1, 20), life, 'POST', () => {
      const door = collector.running?.door
      if (!door) return
      handle(door, bytes, type).then(answer => {
        const lost = fates.losesAnswer()
        const arrive = () => (lost ? undefined : tell(answer))
        scheduler.plan(chance.between(1, 20), null, 'response', arrive)
      })
    })
  }

  const collectors = (): Process[] =>
    supervisor.processes.filter(({ service }) => service.startsWith('collector'))

  return { journal, answers, open: () => open, begin }
}

/** What the routes of app.ts do with a request, and its error handler with what it throws. */
async function handle(door: CollectorOptions, bytes: Buffer, type: string | null): Promise<Answer> {
  const request = {
    headers: { 'content-type': 'application/json' },
    resume() {},
    async *iterator() {
      yield bytes
    },
  } as unknown as IncomingMessage
  try {
    const answer = await takeRequest(request, type as Parameters<typeof takeRequest>[1], door)
    return { status: answer.status, body: JSON.stringify(answer.body) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { reason, message, text, status } = error
    if (text !== null) door.reject(requestReject(reason, message, text, door.clock()))
    return { status, body: JSON.stringify({ success: false, reason, message }) }
  }
}

/** Visits of each user, as requests of one or a few clicks, with the time at which they are sent first. */
function visitsOf(plan: Plan, chance: Chance): [number, JournalEntry[]][] {
  const requests: [number, JournalEntry[]][] = []
  let clicks = 0
  while (clicks < plan.clicks) {
    const userId = `user-${chance.whole(1, plan.users)}`
    let atMs = chance.between(0, plan.activeMs)
    for (let visit = chance.whole(1, 5); visit > 0 && clicks < plan.clicks; visit--) {
      const count = chance.pick([1, 1, 1, 2, 3])
      const entries: JournalEntry[] = []
      for (let index = 0; index < count; index++) {
        clicks++
        entries.push(entryOf(plan, chance, `e${clicks}`, userId, atMs))
      }
      requests.push([Math.min(atMs, plan.activeMs), entries])
      atMs += chance.between(100, 6_000)
    }
  }
  return requests
}

const names = ['Order Completed', 'Order Completed', 'Order Refunded']

function entryOf(
  plan: Plan,
  chance: Chance,
  id: string,
  userId: string,
  atMs: number,
): JournalEntry {
  const bought = chance.often(0.2)
  const name = bought ? chance.pick(names) : `page ${chance.whole(1, 4)}`
  const order = bought
    ? { revenue: chance.whole(0, 90_000) / 100, order_id: `o${chance.whole(1, 12)}` }
    : {}
  const event: Record<string, unknown> = {
    userId: chance.often(0.02) ? 7 : userId,
    messageId: chance.often(0.03) ? `e${chance.whole(1, plan.clicks)}` : id,
    type: chance.often(0.05) ? 'identify' : 'track',
    event: name,
    timestamp: startMs + Math.floor(atMs - delayOf(chance)),
    properties: { note: payloadMark, journal: id, ...order },
  }
  if (chance.often(0.04)) delete event.messageId
  if (chance.often(0.04)) delete event.timestamp
  return { id, userId, event, confirmed: false, refused: false }
}

/** How long before it is sent a click happened: mostly just now, some late, days ago, or in the future. */
function delayOf(chance: Chance): number {
  if (chance.often(0.2)) return chance.between(0, 9_000)
  if (chance.often(0.03)) return chance.whole(1, 60) * 24 * 60 * minuteMs
  if (chance.often(0.02)) return chance.pick([-60_000, -4e9, 100 * 24 * 60 * minuteMs])
  return chance.between(0, 400)
}
