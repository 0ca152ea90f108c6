/** A receiver of Ebb's own, as one should be: it believes what is signed, and counts each message once. */
import { createServer, type IncomingMessage } from 'node:http'
import { EbbError } from '../base/errors.ts'
import { wallClock } from '../base/time.ts'
import { alertBodyBytesMax } from './message.ts'
import { signatureFault } from './signature.ts'

/** So many ids are remembered; a message that comes again after as many others counts anew. */
const idsMax = 10_000
const bodyBytesMax = 4 * alertBodyBytesMax

export interface ReceivedMessage {
  readonly id: string
  /** Byte for byte as it was signed. */
  readonly body: string
}

export interface Receiver {
  readonly url: string
  stop(): Promise<void>
}

export async function startReceiver(options: {
  /** 0 takes any free one. */
  readonly port: number
  /** Any of these will do; asked for each request, since an endpoint may be younger than its receiver. */
  secrets(): readonly string[]
  /** Once per message; a failure is answered with 500, so the message comes again. */
  onMessage(message: ReceivedMessage): void | Promise<void>
  /** Why a request was refused, as a sentence. */
  onRefused(reason: string): void
}): Promise<Receiver> {
  const ids = new Set<string>()

  async function answer(request: IncomingMessage): Promise<number> {
    if (request.method !== 'POST') return 405
    const body = await readBody(request)
    if (!body) return 413
    const fault = signatureFault({
      secrets: options.secrets(),
      headers: request.headers,
      body,
      wallMs: wallClock(),
    })
    if (fault !== undefined) {
      options.onRefused(fault)
      return 401
    }
    const id = request.headers['webhook-id'] as string
    if (ids.has(id)) return 204
    remember(id)
    try {
      await options.onMessage({ id, body: body.toString() })
      return 204
    } catch (error) {
      ids.delete(id)
      throw error
    }
  }

  function remember(id: string): void {
    const [oldest] = ids.size >= idsMax ? ids : []
    if (oldest !== undefined) ids.delete(oldest)
    ids.add(id)
  }

  const server = createServer((request, response) => {
    answer(request)
      .catch(error => {
        options.onRefused(`The message could not be taken: ${(error as Error).message}`)
        return 500
      })
      .then(status => response.writeHead(status).end())
  })
  const listening = Promise.withResolvers<void>()
  server.once('error', error =>
    listening.reject(
      new EbbError('portTaken', `The receiver cannot listen on port ${options.port}.`, {
        cause: error,
      }),
    ),
  )
  server.listen(options.port, '127.0.0.1', listening.resolve)
  await listening.promise
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : options.port
  return {
    url: `http://127.0.0.1:${port}/`,
    async stop() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

/** Undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > bodyBytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
