/** An audit once a day, where partition 0 is owned, so that several processes make one. */
import type { Logger } from 'pino'
import { every } from '../base/time.ts'
import { auditAndKeep, type KeptAudit, readLastAudit } from './keep.ts'
import type { AuditSource } from './source.ts'

/** From the start of one audit to the start of the next. */
const betweenMs = 86_400_000
const lookIntervalMs = 60_000
/**
 * Of the thread that folds live clicks. Folding a long log again may take hours then, and live clicks do not wait for
 * it: with all of the thread they stood behind whole pieces that the log was read in.
 */
const threadShare = 1 / 8

export interface AuditSchedule {
  /** Waits for the audit that runs, which ends early. */
  stop(): Promise<void>
}

export function startAuditSchedule(options: {
  /** The project as it is by then: it may have grown. */
  readonly source: () => AuditSource
  readonly wallClock: () => number
  /** Whether this process is the one that audits. */
  readonly isOurs: () => boolean
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly lookIntervalMs?: number
}): AuditSchedule {
  const { wallClock, logger } = options
  const stopping = new AbortController()
  let running: Promise<void> | undefined

  async function look(): Promise<void> {
    if (!options.isOurs()) return
    const source = options.source()
    const last = await readLastAudit(source.store)
    if (last && wallClock() - last.startedMs < betweenMs) return
    tell(
      await auditAndKeep({ ...source, stopping: stopping.signal, share: threadShare }, wallClock),
    )
  }
  const tell = (audit: KeptAudit) => {
    const examples = audit.findings.flatMap(finding => finding.examples)
    if (examples.length > 0)
      logger.error({ examples }, 'the tables do not say what the clicks say: see ebb audit')
    else logger.info('the tables say what the clicks say')
  }
  const stopLooking = every(options.lookIntervalMs ?? lookIntervalMs, () => {
    running ??= look()
      .catch(error => {
        if (!stopping.signal.aborted)
          logger.warn({ err: error }, 'the tables could not be audited; it is tried again')
      })
      .finally(() => {
        running = undefined
      })
  })
  return {
    async stop() {
      stopLooking()
      stopping.abort()
      await running
    },
  }
}
