/** An endpoint that counts what comes, by message and body. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface CountingReceiver {
  readonly url: string
  /** By webhook-id, every body that came under it. */
  readonly bodies: ReadonlyMap<string, ReadonlySet<string>>
  readonly requests: () => number
  stop(): Promise<void>
}

export async function startCountingReceiver(): Promise<CountingReceiver> {
  const bodies = new Map<string, Set<string>>()
  let requests = 0
  const server = createServer(async (request, response) => {
    const body = (await buffer(request)).toString()
    const id = String(request.headers['webhook-id'])
    bodies.set(id, (bodies.get(id) ?? new Set()).add(body))
    requests++
    response.writeHead(204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    bodies,
    requests: () => requests,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
