/** Ids and the order of users, straight from pipe.md ("Ids"); on purpose not services/base/ids.ts. */
import { createHash } from 'node:crypto'

const project = 'default'
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const idLength = 26

/** The bits of SHA-256 over the parts joined by newlines, as a text of 0 and 1. */
function bitsOf(parts: (string | number)[]): string {
  const digest = createHash('sha256').update(parts.join('\n'), 'utf8').digest()
  return [...digest].map(byte => byte.toString(2).padStart(8, '0')).join('')
}

function idOf(...parts: (string | number)[]): string {
  const bits = bitsOf(parts)
  let id = ''
  for (let index = 0; index < idLength; index++)
    id += alphabet[Number.parseInt(bits.slice(index * 5, index * 5 + 5), 2)]
  return id
}

export const sessionId = (userId: string, messageId: string, ts: number) =>
  idOf('s', project, userId, messageId, ts)

export const alertId = (userId: string, rule: string, version: number, since: number) =>
  idOf('a', project, userId, rule, version, since)

export const messageIdOf = (alert: string, threshold: number, status: string) =>
  idOf('m', alert, threshold, status)

/** Clause 9: the same user is always on the same side of the same rule. */
export function isHeldOut(rule: string, userId: string, share: number): boolean {
  return Number.parseInt(bitsOf([project, rule, userId]).slice(0, 52), 2) / 2 ** 52 < share
}

/** Users and rules compare by UTF-8 bytes, which is not how JavaScript compares strings. */
export const compareText = (one: string, other: string) =>
  Buffer.compare(Buffer.from(one), Buffer.from(other))
