/** I10, secrets: no key, no secret and no payload in a log line or in an answer to a client. */
import { payloadMark } from '../clients.ts'
import type { Evidence } from '../evidence.ts'
import { secretKey, secretOf } from '../operators.ts'

export function checkSecrets({ plan, logs, answers, tables }: Evidence): string[] {
  const hidden = [
    payloadMark,
    secretKey.bytes.toString('base64'),
    ...Array.from({ length: plan.endpoints }, (_, index) =>
      secretOf(index + 1).slice('whsec_'.length),
    ),
    ...tables.rows('endpoints').map(row => String(row.secret)),
  ]
  const shows = (text: string) => hidden.some(secret => text.includes(secret))
  return [
    ...logs.filter(({ text }) => shows(text)).map(({ by, text }) => `I10: ${by} logs ${text}`),
    ...answers.filter(shows).map(text => `I10: a client was answered ${text}`),
  ]
}
