/** Clicks sent to a collector until they are acknowledged. */
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'

const threads = 4

export interface Load {
  /** By message id. */
  readonly acknowledged: ReadonlySet<string>
  /** Requests that were answered 503; each was told when to come again. */
  refused(): number
  stop(): Promise<void>
}

/** Clicks of so many users, one after the other in some threads. `prefix`: of their ids. */
export function startLoad(url: string, users: number, prefix = 'm'): Load {
  const acknowledged = new Set<string>()
  let refused = 0
  let stopping = false
  let next = 0
  const send = async (messageId: string, userId: string) => {
    const body = JSON.stringify({ type: 'track', event: 'page', userId, messageId })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/v1/track`, { method: 'POST', headers, body })
    await answer.arrayBuffer()
    if (answer.status === 200) return acknowledged.add(messageId)
    assert.equal(answer.status, 503)
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
    return refused++
  }
  const sending = Array.from({ length: threads }, async () => {
    while (!stopping) {
      const id = next++
      const messageId = `${prefix}${id}`
      while (!acknowledged.has(messageId)) await send(messageId, `user ${id % users}`)
      await wait(5)
    }
  })
  return {
    acknowledged,
    refused: () => refused,
    async stop() {
      stopping = true
      await Promise.all(sending)
    },
  }
}
