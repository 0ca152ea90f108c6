/**
 * The web room: the page, its live figures (SSE) and one user's detail. It only reads.
 *
 *   request -> Host list -> route -> answer
 *               |             '-- anything thrown: problem+json with the request's id, never its cause
 *               '-- 421: a name that is not this machine's (DNS rebinding)
 */

import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify'
import { EbbError } from '../base/errors.ts'
import { isAllowedHost } from '../base/host.ts'
import type { Store } from '../store/store.ts'
import { openLive } from './live.ts'
import { type PageFile, readPages } from './pages.ts'
import { streamTo } from './stream.ts'
import type { WebMeter } from './traffic.ts'
import { readUser } from './user.ts'

/** As pino has them. */
export interface WebLogger {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface WebOptions {
  readonly store: Store
  readonly project: string
  /** The project's clock is driven by a replay: the page says so. */
  readonly replay: boolean
  readonly wallClock: () => number
  readonly logger: WebLogger
  /** Further names that browsers call it by. Until keys exist the page is for this machine alone. */
  readonly names?: readonly string[]
  readonly meter?: WebMeter
}

/** Beyond these a new viewer is told to come back later: each holds a socket. */
const viewersMax = 100
/** Kafka and Ebb hold ids of at most 256 bytes; each may be three characters in a URL. */
const userIdBytesMax = 256

const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

export function webApp(options: WebOptions): FastifyInstance {
  const { store, logger, meter } = options
  const app: FastifyInstance = Fastify({
    logger: false,
    routerOptions: { maxParamLength: userIdBytesMax * 3 },
  })
  const live = openLive({
    store,
    wallClock: options.wallClock,
    failed: error => logger.warn({ err: error }, 'a figure of the page could not be read'),
  })
  // Viewers hold their connections open: they are let go before the server waits for connections to end.
  app.addHook('preClose', () => live.close())

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders)
    if (!isAllowedHost(request.headers.host, options.names ?? []))
      return problem(reply, 421, 'This Ebb answers to localhost and the names it was given only.')
  })
  if (meter) app.addHook('onResponse', async (_, reply) => meter.answered(reply.statusCode))
  app.setNotFoundHandler((_, reply) => problem(reply, 404, 'There is nothing at this address.'))
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof EbbError && error.retriable)
      return problem(reply.header('retry-after', '2'), 503, error.message)
    const status = error.statusCode ?? 500
    if (status >= 500) logger.error({ err: error, requestId: request.id }, 'a request failed')
    return problem(reply, status, status < 500 ? error.message : 'Ebb could not answer this.')
  })

  for (const file of readPages(options)) servePage(app, file)

  let viewers = 0
  app.get('/api/live', { exposeHeadRoute: false }, (_, reply) => {
    if (viewers >= viewersMax)
      return problem(reply.header('retry-after', '30'), 503, `${viewersMax} are watching already.`)
    const count = (change: number) => {
      viewers += change
      meter?.viewers(viewers)
    }
    count(1)
    reply.hijack()
    reply.raw.writeHead(200, {
      ...securityHeaders,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    })
    streamTo(reply.raw, live, () => count(-1))
  })
  app.get('/api/snapshot', async (_, reply) => {
    reply.header('cache-control', 'no-store')
    return live.now()
  })
  app.get<{ Params: { id: string } }>('/api/users/:id', async (request, reply) => {
    const { id } = request.params
    if (Buffer.byteLength(id) > userIdBytesMax)
      return problem(reply, 400, `A user id has at most ${userIdBytesMax} bytes.`)
    const detail = await readUser(store, id)
    reply.header('cache-control', 'no-store')
    return detail ?? problem(reply, 404, 'No processor has seen this user yet.')
  })
  return app
}

function servePage(app: FastifyInstance, file: PageFile): void {
  app.get(file.path, (request, reply) => {
    reply.headers({ 'content-type': file.type, 'cache-control': 'no-cache', etag: file.etag })
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send()
    return reply.send(file.body)
  })
}

const titles: Record<number, string> = {
  400: 'Bad request',
  404: 'Not found',
  421: 'Misdirected request',
  500: 'Internal error',
  503: 'Not now',
}

function problem(reply: FastifyReply, status: number, detail: string): FastifyReply {
  const title = titles[status] ?? 'Request refused'
  const body = { type: 'about:blank', title, status, detail, requestId: reply.request.id }
  return reply.code(status).type('application/problem+json').send(JSON.stringify(body))
}

export interface RunningWeb {
  readonly url: string
  stop(): Promise<void>
}

export async function startWeb(
  options: WebOptions & { readonly host: string; readonly port: number },
): Promise<RunningWeb> {
  const { host, port } = options
  const app = webApp(options)
  try {
    const url = await app.listen({ host, port })
    return { url, stop: () => app.close() }
  } catch (error) {
    await app.close()
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    const sentence = `Port ${port} of ${host} is taken: the page cannot be served there.`
    throw new EbbError('portTaken', sentence, { cause: error })
  }
}
