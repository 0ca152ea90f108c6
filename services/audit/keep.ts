/** Audits as rows of the table `audits`, and back. */
import { readTime, rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { audit, type Findings } from './audit.ts'
import type { AuditSource, Difference } from './source.ts'

/** One kind of check, as kept. */
export interface KeptFinding {
  readonly kind: string
  readonly checked: number
  readonly differences: number
  readonly examples: readonly string[]
  readonly notes: readonly string[]
}

export interface KeptAudit {
  readonly startedMs: number
  readonly finishedMs: number
  readonly findings: readonly KeptFinding[]
}

function sentenceOf({ where, is, should }: Difference): string {
  return `${where}: is ${is}; should be ${should}`.toWellFormed()
}

/** Audits the project and keeps what was found. Rejects, keeping nothing, when it cannot be done to its end. */
export async function auditAndKeep(
  source: AuditSource,
  wallClock: () => number,
): Promise<KeptAudit> {
  const startedMs = Math.round(wallClock())
  const findings = await audit(source, startedMs)
  const kept = keptAudit(findings, startedMs, Math.round(wallClock()))
  await source.store.insert(
    'audits',
    kept.findings.map(finding => ({
      ...finding,
      started_at: rowTime(kept.startedMs),
      finished_at: rowTime(kept.finishedMs),
    })),
  )
  return kept
}

function keptAudit(findings: Findings, startedMs: number, finishedMs: number): KeptAudit {
  return {
    startedMs,
    finishedMs,
    findings: Object.values(findings).map(({ examples, ...finding }) => ({
      ...finding,
      examples: examples.map(sentenceOf),
    })),
  }
}

/** The newest audit; undefined while there was none. */
export async function readLastAudit(store: Store): Promise<KeptAudit | undefined> {
  const rows = await store.query<{
    kind: string
    checked: string
    differences: string
    examples: string[]
    notes: string[]
    started_at: string
    finished_at: string
  }>(
    `SELECT kind, checked, differences, examples, notes, started_at, finished_at FROM audits FINAL
     WHERE started_at = (SELECT max(started_at) FROM audits)`,
  )
  const [first] = rows
  if (!first) return undefined
  return {
    startedMs: readTime(first.started_at),
    finishedMs: readTime(first.finished_at),
    findings: rows.map(({ kind, checked, differences, examples, notes }) => ({
      kind,
      checked: Number(checked),
      differences: Number(differences),
      examples,
      notes,
    })),
  }
}
