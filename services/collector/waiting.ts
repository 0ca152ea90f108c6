import { Refusal } from './refusal.ts'

/** What one request holds of the room; opened when it comes, closed when its events are on the log. */
export interface Hold {
  /** The request now holds this many bytes. Throws a Refusal `busy` where there is no room for them. */
  resize(bytes: number): void
  close(): void
}

/** The bytes of all requests that are being read or wait for the log. */
export interface Waiting {
  open(): Hold
  /** True while there is no room for another request of the largest size. */
  isFull(): boolean
}

/** Each request counts this much beside its body, so that many tiny ones are bounded too. */
const requestOverheadBytes = 2048

/**
 * At most `bytesMax` wait; past it requests are refused with 503 until some have ended. A client that
 * goes away frees nothing: what it sent is in memory until the log has answered.
 */
export function waitingRoom(bytesMax: number, requestBytesMax: number): Waiting {
  let waitingBytes = 0
  function open(): Hold {
    let heldBytes = 0
    return {
      resize(bytes) {
        const wantedBytes = bytes + requestOverheadBytes
        if (waitingBytes - heldBytes + wantedBytes > bytesMax)
          throw new Refusal('busy', 'Too many events wait to be stored. Send the same again soon.')
        waitingBytes += wantedBytes - heldBytes
        heldBytes = wantedBytes
      },
      close() {
        waitingBytes -= heldBytes
        heldBytes = 0
      },
    }
  }
  return { open, isFull: () => waitingBytes + requestBytesMax + requestOverheadBytes > bytesMax }
}
