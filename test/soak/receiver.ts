/** An endpoint that checks signatures, keeps every body's hash by message, and fails as it is told to. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { steadyClock, wallClock } from '../../services/base/time.ts'
import { signatureFault } from '../../services/webhooks/signature.ts'

/** What a request meets: an answer, a 500, nothing ever, a closed connection. */
export type Mood = 'well' | 'error' | 'hang' | 'close'

export interface FaultyReceiver {
  readonly url: string
  /** By message id, the hashes of all bodies that were taken. */
  readonly bodies: ReadonlyMap<string, ReadonlySet<string>>
  /** Taken, and refused for their signature. */
  readonly counts: { taken: number; repeated: number; unsigned: number; failed: number }
  /** The endpoint's secret, once it has one. */
  believe(secret: string): void
  suffer(mood: Mood): void
  /**
   * When, by the steady clock, the first alert was taken that had been decided after `decidedFromMs`, epoch ms, of
   * those from `fromMs` on; undefined: none has been.
   */
  takenSince(fromMs: number, decidedFromMs: number): number | undefined
  stop(): Promise<void>
}

export async function startFaultyReceiver(): Promise<FaultyReceiver> {
  const bodies = new Map<string, Set<string>>()
  const counts = { taken: 0, repeated: 0, unsigned: 0, failed: 0 }
  const taken: { atMs: number; decidedAtMs: number }[] = []
  let secrets: string[] = []
  let mood: Mood = 'well'

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request)
    if (mood !== 'well') {
      counts.failed++
      if (mood === 'error') response.writeHead(500).end()
      if (mood === 'close') request.socket.destroy()
      return
    }
    const { headers } = request
    if (signatureFault({ secrets, headers, body, wallMs: wallClock() }) !== undefined) {
      counts.unsigned++
      response.writeHead(401).end()
      return
    }
    take(String(headers['webhook-id']), body)
    response.writeHead(204).end()
  }

  function take(id: string, body: Buffer): void {
    counts.taken++
    const held = bodies.get(id)
    if (held) counts.repeated++
    bodies.set(id, (held ?? new Set()).add(hashOf(body)))
    const decidedAtMs = Date.parse(JSON.parse(body.toString()).timestamp)
    taken.push({ atMs: steadyClock(), decidedAtMs })
  }

  const server = createServer((request, response) => {
    // Of a request whose sender has died nothing more comes.
    answer(request, response).catch(() => request.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    bodies,
    counts,
    believe(secret) {
      secrets = [secret]
    },
    suffer(next) {
      mood = next
    },
    takenSince: (fromMs, decidedFromMs) =>
      taken.find(({ atMs, decidedAtMs }) => atMs >= fromMs && decidedAtMs >= decidedFromMs)?.atMs,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export function hashOf(body: Buffer | string): string {
  return createHash('sha256').update(body).digest('base64url')
}
