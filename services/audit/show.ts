/** An audit for people, as `ebb audit` prints it. */
import type { KeptAudit, KeptFinding } from './keep.ts'

const names: Readonly<Record<string, string>> = {
  log: 'records of the log in the tables',
  verdicts: 'verdicts of clicks',
  sessions: 'sessions',
  users: 'users',
  days: 'days of users',
  alerts: 'alerts',
  progress: 'partitions',
}

export function differencesOf({ findings }: KeptAudit): number {
  return findings.reduce((sum, { differences }) => sum + differences, 0)
}

export function showAudit(audit: KeptAudit): string {
  const { startedMs, finishedMs, findings } = audit
  const seconds = ((finishedMs - startedMs) / 1_000).toFixed(1)
  const total = differencesOf(audit)
  const end =
    total === 0
      ? 'Nothing differs: the tables say what the clicks say.'
      : `${total} differences: the tables do not say what the clicks say.`
  return [
    `Audited at ${new Date(startedMs).toISOString()}, in ${seconds} s.`,
    '',
    ...findings.map(lineOf),
    ...findings.flatMap(examplesOf),
    ...findings.flatMap(({ notes }) => notes).map(note => `\nNot audited: ${note}`),
    '',
    end,
  ].join('\n')
}

function lineOf({ kind, checked, differences }: KeptFinding): string {
  const count = String(checked).padStart(10)
  return `${count} ${(names[kind] ?? kind).padEnd(34)} ${differences === 0 ? 'agree' : `${differences} differ`}`
}

function examplesOf({ examples, differences }: KeptFinding): string[] {
  if (differences === 0) return []
  const more = differences > examples.length ? [`  and ${differences - examples.length} more`] : []
  return ['', ...examples.map(example => `  ${example}`), ...more]
}
