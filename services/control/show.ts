/** What commands print for people. */
import { formatDuration } from '../base/duration.ts'
import type { Explanation } from './explain.ts'
import type { KeptRule } from './project.ts'

function time(ms: number | null): string {
  return ms === null ? '-' : new Date(ms).toISOString().replace('.000Z', 'Z')
}

function money(minor: number | null): string {
  return minor === null ? '-' : (minor / 10_000).toFixed(2)
}

/** Columns under their names, as wide as needed. */
export function table(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const first = rows[0]
  if (!first) return ''
  const names = Object.keys(first)
  const cells = rows.map(row => names.map(name => String(row[name] ?? '')))
  const widths = names.map((name, at) =>
    Math.max(name.length, ...cells.map(row => row[at]!.length)),
  )
  const line = (values: readonly string[]) =>
    `  ${values.map((value, at) => value.padEnd(widths[at]!)).join('  ')}`.trimEnd()
  return [line(names), ...cells.map(line)].join('\n')
}

export function showRules(rules: readonly KeptRule[]): string {
  const kept = rules.filter(rule => !rule.removed)
  if (kept.length === 0) return 'There are no rules yet: ebb rules apply FILE adds some.'
  return kept.map(({ rule }) => JSON.stringify(rule)).join('\n')
}

export function showUser(user: Explanation): string {
  const { signals } = user
  if (!signals)
    return `Ebb has not seen a user ${JSON.stringify(user.userId)} (ids are exact, case and all).`
  const ratio =
    signals.quietRatio === null ? '' : `, ${signals.quietRatio.toFixed(2)} of his usual gap`
  const lines = [
    `${user.userId}: ${signals.state}${signals.tier === 'high' ? ', high-value' : ''}`,
    `  at ${time(user.clockMs)}, the clock of partition ${user.partition}`,
    '',
    `  first seen     ${time(signals.firstSeen)}`,
    `  last seen      ${time(signals.lastSeen)}  ${signals.lastEvent ?? ''}${ratio}`,
    `  last purchase  ${time(signals.lastPurchase)}`,
    `  active days    ${signals.activeDays7} of 7, ${signals.activeDays28} of 28, ${signals.activeDays90} of 90`,
    `  usual gap      ${signals.usualGapMs === null ? 'unknown' : formatDuration(signals.usualGapMs)}`,
    `  sessions       ${signals.sessions}, with ${signals.clicks} clicks`,
    `  orders, 90 d   ${signals.orders90}, worth ${money(signals.value90Minor)}`,
    `  at stake       ${money(user.valueAtSilenceMinor)} in the 90 days before the last activity`,
    '',
    'Rules',
    ...(user.rules.length === 0 ? ['  none: ebb rules apply FILE'] : []),
    ...user.rules.map(
      rule =>
        `  ${rule.rule}: ${rule.says}` +
        (rule.dueMs === null ? '' : ` Quiet since ${time(rule.sinceMs)}, due ${time(rule.dueMs)}.`),
    ),
    '',
    'Latest sessions',
    table(user.sessions) || '  none',
    '',
    'Latest alerts',
    table(user.alerts) || '  none: no step of a rule was due, or he was not asked (see the rules).',
  ]
  return lines.join('\n')
}
