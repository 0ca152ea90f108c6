/** What the demo's receiver says of a message, in a line for a person. */
import { currency } from './session.ts'

const dayMs = 86_400_000

/** The keys of a webhook's body that a line needs (services/webhooks/message.ts writes them). */
interface Body {
  readonly timestamp: string
  readonly data: {
    readonly user_id: string
    readonly status: 'fired' | 'resolved'
    readonly rule: { readonly id: string }
    readonly since: string
    readonly threshold_ms: number
    readonly value_90d: number | null
  }
}

/** What users fail to do, by rule; for a rule of somebody else the line speaks of being quiet. */
const silences: Readonly<Record<string, string>> = { 'buying-stopped': 'has bought nothing' }

export function newsOf(body: string): string {
  const { timestamp, data } = JSON.parse(body) as Body
  const { user_id, rule, value_90d } = data
  const signed = `rule ${rule.id}, signature ok`
  if (data.status === 'resolved') {
    const awayMs = Date.parse(timestamp) - Date.parse(data.since)
    const back = rule.id in silences ? 'bought again' : 'is back'
    return `signed message received: ${user_id} ${back} after ${days(awayMs)}, ${signed}`
  }
  const silence = silences[rule.id] ?? 'has been quiet'
  const stake = value_90d === null ? '' : `${value_90d.toFixed(2)} ${currency} at stake, `
  return `signed alert received: ${user_id} ${silence} for ${days(data.threshold_ms)}, ${stake}${signed}`
}

function days(durationMs: number): string {
  return `${Number((durationMs / dayMs).toFixed(1))} d`
}
