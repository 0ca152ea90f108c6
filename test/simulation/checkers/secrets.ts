/** I10, secrets: no key, no secret and no payload in a log line or in an answer to a client. */
import { payloadMark } from '../clients.ts'
import { secretKey } from '../endpoints.ts'
import type { Evidence } from '../evidence.ts'
import { revisionsOf } from './endpoints.ts'

export function checkSecrets(evidence: Evidence): string[] {
  const { logs, answers, tables } = evidence
  const hidden = [
    payloadMark,
    secretKey.bytes.toString('base64'),
    ...[...revisionsOf(evidence).values()]
      .flat()
      .flatMap(({ secret }) => (secret ? [secret.slice('whsec_'.length)] : [])),
    ...tables.rows('endpoints').flatMap(row => (row.secret ? [String(row.secret)] : [])),
  ]
  const shows = (text: string) => hidden.some(secret => text.includes(secret))
  return [
    ...logs.filter(({ text }) => shows(text)).map(({ by, text }) => `I10: ${by} logs ${text}`),
    ...answers.filter(shows).map(text => `I10: a client was answered ${text}`),
  ]
}
