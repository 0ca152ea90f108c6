/** The words that the literal cases are made of: lines in, lines out, flags. */

export type Fields = Record<string, unknown>

export type Case = {
  name: string
  args: string[]
  lines: (Fields | string)[]
  /** Kinds of output lines that are looked at; without it, all. */
  of?: string[]
  expected: Fields[]
}

export const dayMs = 86_400_000

// Lines in.

export const click = (userId: string, timestamp: number, more: Fields = {}) => {
  return { userId, timestamp, ...more }
}
export const order = (userId: string, timestamp: number, revenue: unknown, more: Fields = {}) => {
  const properties = { revenue, ...more }
  return { userId, timestamp, event: 'Order Completed', properties }
}
export const refund = (userId: string, timestamp: number, revenue: unknown, more: Fields = {}) => {
  const properties = { revenue, ...more }
  return { userId, timestamp, event: 'Order Refunded', properties }
}
export const tick = (time: number) => ({ tick: time })
export const live = (time: number) => ({ live: time })
export const settings = (fields: Fields) => ({ settings: fields })
export const audience = (userId: string, ...segments: string[]) => {
  return { audience: { userId, segments, scores: {} } }
}
/** The rule `r`; `does` stands for the key `then`, which the linter keeps for promises. */
export const ruleOf = (when: Fields, { does, ...more }: Fields = {}) => {
  const effects = does ? Object.fromEntries([['then', does]]) : {}
  return { rule: { id: 'r', when, ...more, ...effects } }
}
export const quiet = (ms: number, more?: Fields) => ruleOf({ quiet_for: `${ms}ms` }, more)
export const bought = (ms: number, more?: Fields) =>
  ruleOf({ quiet_for: `${ms}ms`, since: 'purchase' }, more)
export const removed = { rule: { id: 'r', removed: true } }

// Lines out.

export const session = (
  userId: string,
  start: number,
  end: number,
  clicks: number,
  more: Fields = {},
) => {
  return { session: { userId, start, end, clicks, final: true, ...more } }
}
export const late = (userId: string, timestamp: number, reason: string, by: number) => {
  return { late: { userId, timestamp, reason, by } }
}
export const duplicate = (userId: string, timestamp: number, messageId: string) => {
  return { duplicate: { userId, timestamp, messageId } }
}
export const quarantined = (userId: string, timestamp: number) => {
  return { quarantined: { userId, timestamp, reason: 'future' } }
}
export const dead = (line: number) => ({ dead: { line } })
export const alert = (
  userId: string,
  status: string,
  since: number,
  threshold: number,
  more?: Fields,
) => {
  return { alert: { userId, status, since, threshold, due: since + threshold, ...more } }
}
export const user = (userId: string, more: Fields) => ({ user: { userId, ...more } })
export const summary = (fields: Fields) => ({ summary: fields })

/** Gap 10 ms, no tolerance. */
export const tight = ['--gap', '10ms', '--disorder', '0', '--lateness', '0']
/** The clock moves by ticks alone. */
export const ticked = [...tight, '--clock', 'ticks']
