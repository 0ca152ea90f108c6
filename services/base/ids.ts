import { hash, randomUUID } from 'node:crypto'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/**
 * The id of what `parts` say: SHA-256 over the parts joined by newlines, as 26 characters of lower-case
 * base32 (RFC 4648, no padding), so 130 bits. Equal parts give equal ids on every machine.
 */
export function contentId(...parts: readonly (string | number)[]): string {
  const digest = hash('sha256', parts.join('\n'), 'buffer')
  let id = ''
  let bits = 0
  let value = 0
  for (let at = 0; id.length < 26; ) {
    if (bits < 5) {
      value = ((value << 8) | digest[at++]!) & 0xffff
      bits += 8
    }
    bits -= 5
    id += alphabet[(value >>> bits) & 31]
  }
  return id
}

/** A number in [0, 1) from the first 52 bits of SHA-256 over the parts joined by newlines. */
export function contentShare(...parts: readonly string[]): number {
  const digest = hash('sha256', parts.join('\n'), 'buffer')
  return (digest.readUIntBE(0, 6) * 16 + (digest[6]! >>> 4)) / 2 ** 52
}

/** For what has no content to be named by; no two are equal. */
export function randomId(): string {
  return randomUUID()
}
