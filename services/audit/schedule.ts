/** An audit once a day, where partition 0 is owned, so that several processes make one. */
import { every } from '../base/time.ts'
import { auditAndKeep, type KeptAudit, readLastAudit } from './keep.ts'
import type { AuditSource } from './source.ts'

/** From the start of one audit to the start of the next. */
const betweenMs = 86_400_000
const lookIntervalMs = 60_000

export interface AuditSchedule {
  /** Waits for the audit that runs, which ends early. */
  stop(): Promise<void>
}

export function startAuditSchedule(options: {
  readonly source: AuditSource
  readonly wallClock: () => number
  /** Whether this process is the one that audits. */
  readonly isOurs: () => boolean
  readonly done: (audit: KeptAudit) => void
  readonly troubled: (error: Error) => void
  readonly lookIntervalMs?: number
}): AuditSchedule {
  const { source, wallClock } = options
  const stopping = new AbortController()
  let running: Promise<void> | undefined

  async function look(): Promise<void> {
    if (!options.isOurs()) return
    const last = await readLastAudit(source.store)
    if (last && wallClock() - last.startedMs < betweenMs) return
    options.done(await auditAndKeep({ ...source, stopping: stopping.signal }, wallClock))
  }
  const stopLooking = every(options.lookIntervalMs ?? lookIntervalMs, () => {
    running ??= look()
      .catch(error => {
        if (!stopping.signal.aborted) options.troubled(error)
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
