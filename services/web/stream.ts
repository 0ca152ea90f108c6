/**
 * One viewer of the live page, by server-sent events: each message is a JSON object of sections. States:
 * open (from the first byte), then over, by whichever comes first: the viewer leaves, he reads too slowly,
 * or Ebb stops. A browser that was cut off comes back by itself and then gets the whole page.
 */

import type { Writable } from 'node:stream'
import { every } from '../base/time.ts'
import type { Live } from './live.ts'

/** A viewer that has left this much unread is cut off: its memory would be ours. */
const unreadBytesMax = 1_048_576
/** A message and no comment, so that the page can tell a silent project from a dead connection. */
const heartbeatMs = 10_000
const reconnectMs = 1_500

/** Calls `ended` once, when the viewer is gone. */
export function streamTo(response: Writable, live: Pick<Live, 'updates'>, ended: () => void): void {
  response.write(`retry: ${reconnectMs}\n\n`)
  const send = (text: string) => {
    if (response.writableLength > unreadBytesMax) response.destroy()
    else response.write(text)
  }
  const stopBeating = every(heartbeatMs, () => send('event: heartbeat\ndata: {}\n\n'))
  const watching = live.updates.subscribe({
    next: update => send(`data: ${JSON.stringify(update)}\n\n`),
    complete: () => response.end(),
  })
  response.once('close', () => {
    stopBeating()
    watching.unsubscribe()
    ended()
  })
  response.on('error', () => response.destroy())
}
