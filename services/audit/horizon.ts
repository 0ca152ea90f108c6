/** From when on the table `clicks` is whole: an operator may give it a TTL. */
import { EbbError } from '../base/errors.ts'
import type { Store } from '../store/store.ts'

/** Event time in ms before which clicks may be gone; -Infinity where they are kept for good. */
export async function readHorizon(store: Store, wallMs: number): Promise<number> {
  const [row] = await store.query<{ engine_full: string }>(
    "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'clicks'",
  )
  const ttl = /\bTTL (.*?)(?: SETTINGS |$)/s.exec(row?.engine_full ?? '')?.[1]
  if (ttl === undefined) return Number.NEGATIVE_INFINITY
  const [, unit, count] =
    /^[\w() ]*\btimestamp\)? \+ to(Interval\w+)\((\d+)\)$/.exec(ttl.trim()) ?? []
  if (unit === undefined)
    throw new EbbError(
      'badInput',
      `The TTL of the table clicks is ${ttl}; Ebb understands toDateTime(timestamp) + an interval.`,
    )
  const [answer] = await store.query<{ horizon: string }>(
    `SELECT toUnixTimestamp64Milli(fromUnixTimestamp64Milli({now:Int64}, 'UTC') - to${unit}(${count})) AS horizon`,
    { now: String(Math.round(wallMs)) },
  )
  return Number(answer!.horizon)
}
