/** One POST, from its body to its answer. */
import type { IncomingMessage } from 'node:http'
import type { Click, ClickType, Dead } from '../log/record.ts'
import { isObject } from '../log/segment.ts'
import { type Body, readBody } from './body.ts'
import { type DoorReject, eventReject } from './door-reject.ts'
import { type Arrival, contentFault, toClick } from './event.ts'
import type { Intake } from './intake.ts'
import { Refusal, type RefusalReason } from './refusal.ts'
import type { Waiting } from './waiting.ts'

const batchEventsMax = 500

export interface RequestOptions {
  readonly intake: Intake
  readonly waiting: Waiting
  readonly clock: () => number
  readonly newId: () => string
  readonly reject: (row: DoorReject) => void
}

export interface Answer {
  readonly status: number
  readonly body: object
}

interface Rejected {
  readonly index: number
  readonly event: unknown
  readonly dead: Dead
}

/**
 * `type` is that of the path, null for a batch. Resolves when all accepted events are durable; throws a
 * Refusal where the request as a whole is not taken.
 */
export async function takeRequest(
  request: IncomingMessage,
  type: ClickType | null,
  options: RequestOptions,
): Promise<Answer> {
  const hold = options.waiting.open()
  try {
    const body = await readBody(request, hold)
    const { events, sentAt } =
      type === null ? envelope(body) : { events: [body.value], sentAt: null }
    const { clock, newId } = options
    const arrival = { receivedAtMs: clock(), type, sentAt, bodyBytes: body.bytes, newId }
    const rejected = await takeEvents(events, arrival, options)
    return type === null ? batchAnswer(events.length, rejected) : eventAnswer(rejected[0])
  } finally {
    hold.close()
  }
}

/** Resolves to the rejected events when the accepted ones are durable. */
async function takeEvents(
  events: readonly unknown[],
  arrival: Arrival,
  { intake, reject }: RequestOptions,
): Promise<Rejected[]> {
  const clicks: Click[] = []
  const rejected: Rejected[] = []
  events.forEach((event, index) => {
    const click = toClick(event, arrival)
    if (click.kind === 'click') clicks.push(click)
    else rejected.push({ index, event, dead: click })
  })
  await intake(clicks)
  // Not before: a request that must be sent again would leave its bad events twice.
  for (const { index, event, dead } of rejected)
    reject(eventReject(index, event, dead, arrival.receivedAtMs))
  return rejected
}

/** The events of a batch; throws a Refusal where the request as a whole makes no sense. */
function envelope({ value, text }: Body): { events: readonly unknown[]; sentAt: unknown } {
  const refuse = (reason: RefusalReason, message: string) => new Refusal(reason, message, { text })
  if (!isObject(value) || !Array.isArray(value.batch))
    throw refuse('shape', 'batch: must be an array of events')
  const { batch, ...rest } = value
  const fault = contentFault(rest)
  if (fault) throw refuse('shape', fault.detail)
  if (batch.length === 0) throw refuse('empty', 'batch: has no events')
  if (batch.length > batchEventsMax)
    throw refuse('size', `batch: may have at most ${batchEventsMax} events`)
  return { events: batch, sentAt: rest.sentAt }
}

/** 200 whatever is in it: on a 400 trackers would drop the good events with the bad. */
function batchAnswer(received: number, rejected: readonly Rejected[]): Answer {
  const accepted = received - rejected.length
  return { status: 200, body: { success: true, accepted, rejected: rejected.map(named) } }
}

function eventAnswer(rejected: Rejected | undefined): Answer {
  if (!rejected) return { status: 200, body: { success: true, accepted: 1, rejected: [] } }
  const { reason, detail } = rejected.dead
  return {
    status: reason === 'size' ? 413 : 400,
    body: { success: false, reason, message: detail, accepted: 0, rejected: [named(rejected)] },
  }
}

const echoedIdCharactersMax = 256

function named({ index, event, dead }: Rejected): object {
  const messageId = isObject(event) ? event.messageId : undefined
  const known = typeof messageId === 'string' && messageId.length <= echoedIdCharactersMax
  return { index, ...(known && { messageId }), reason: dead.reason, message: dead.detail }
}
