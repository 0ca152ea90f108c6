/**
 * The HTTP door, as a value: trackers POST events in Segment's shape and are answered
 *
 *   200  every accepted event is durable on the log; rejected ones are named, the rest of the batch kept
 *   400  nothing was taken: no JSON, an empty batch, or the one event that was sent is bad; 413 too large
 *   503  with Retry-After: not confirmed, send the same again; what was taken does not count twice
 *
 * What is refused with 4xx after its body was read also goes to `reject`, to be kept.
 */
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { isAllowedHost } from '../base/host.ts'
import { clickTypes } from '../log/record.ts'
import { requestReject } from './door-reject.ts'
import type { DoorLogger, Outlet } from './outlet.ts'
import { Refusal } from './refusal.ts'
import { type RequestOptions, takeRequest } from './requests.ts'

/** For a request to arrive, its body too: a slow sender cannot hold a connection for ever. */
const requestArrivalMs = 30_000

export interface CollectorOptions extends RequestOptions {
  readonly outlet: Pick<Outlet, 'isReady'>
  /** What we may be called by, beside loopback's names. */
  readonly names: readonly string[]
  readonly logger: DoorLogger
}

export function collectorApp(options: CollectorOptions): FastifyInstance {
  const { outlet, waiting, names } = options
  const app = Fastify({
    logger: false,
    requestTimeout: requestArrivalMs,
    forceCloseConnections: 'idle',
  })
  // Bodies are read by body.ts, which knows what may wait and what inflates; fastify hands them through.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  app.addHook('onRequest', async request => {
    if (!isAllowedHost(request.headers.host, names))
      throw new Refusal('host', 'Host: this is not a name of this server.')
  })
  closeConnectionsOnceClosing(app)
  app.setErrorHandler((error, _request, reply) => refuse(error, reply, options))
  app.setNotFoundHandler(() => {
    const paths = [...clickTypes, 'batch'].join(',')
    throw new Refusal('path', `There is nothing here. POST events to /v1/{${paths}}.`)
  })

  for (const type of [...clickTypes, null])
    app.post(`/v1/${type ?? 'batch'}`, async (request, reply) => {
      const { status, body } = await takeRequest(request.raw, type, options)
      return reply.status(status).send(body)
    })
  app.get('/livez', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    const checks = { log: await outlet.isReady(), room: !waiting.isFull() }
    const ready = checks.log && checks.room
    return reply.status(ready ? 200 : 503).send({ status: ready ? 'ok' : 'not ready', checks })
  })
  return app
}

/** A connection that is kept alive would hold up the stop until its client lets go. */
function closeConnectionsOnceClosing(app: FastifyInstance): void {
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close')
  })
}

function refuse(error: unknown, reply: FastifyReply, options: CollectorOptions): FastifyReply {
  const { reject, clock, logger } = options
  if (error instanceof Refusal) {
    const { reason, message, text, status, retryAfterSeconds } = error
    if (text !== null) reject(requestReject(reason, message, text, clock()))
    if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds)
    return reply.status(status).send({ success: false, reason, message })
  }
  const status = (error as { statusCode?: number }).statusCode ?? 500
  const ours = status >= 500
  if (ours) logger.error({ err: error }, 'a request failed: this is a bug in Ebb')
  return reply.status(status).send({
    success: false,
    reason: ours ? 'internal' : 'request',
    message: ours ? 'Not confirmed: Ebb failed.' : 'The request is malformed.',
  })
}
