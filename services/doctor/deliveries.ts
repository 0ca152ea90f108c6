/** Alerts on their way out: what waits, what was given up, and whether anybody reads. */
import type { Log } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import { latest } from '../webhooks/deliveries.ts'
import { listEndpoints } from '../webhooks/endpoints.ts'
import { findFault } from '../webhooks/log-fault.ts'
import { readProgress } from '../webhooks/progress.ts'
import { type Check, countText, orOk, partitionsText, warn, wrong } from './check.ts'

export interface DeliverySource {
  readonly log: Pick<Log, 'bounds' | 'partitions' | 'read'>
  readonly store: Store
  readonly alertsTopic: string
  /** The project's clock, by which deliveries are due. */
  readonly clock: () => number
}

/** An attempt that is due is made at once, or after those before it. */
const overdueMs = 5 * 60_000
const deadDays = 7

const area = 'deliveries'

/** By the tables alone. */
export async function examineDeliveries({
  store,
  clock,
}: Pick<DeliverySource, 'store' | 'clock'>): Promise<readonly Check[]> {
  const endpoints = await listEndpoints(store)
  const [row] = await store.query<Record<'open' | 'overdue' | 'dead', string>>(
    `SELECT countIf(next_at IS NOT NULL) AS open,
            countIf(next_at < fromUnixTimestamp64Milli({due:Int64}, 'UTC')) AS overdue,
            countIf(status = 'dead' AND at > fromUnixTimestamp64Milli({recent:Int64}, 'UTC')) AS dead
     FROM (SELECT * FROM deliveries ${latest})`,
    {
      due: String(Math.round(clock() - overdueMs)),
      recent: String(Math.round(clock() - deadDays * 86_400_000)),
    },
  )
  const faults: Check[] = []
  const overdue = Number(row!.overdue)
  if (overdue > 0)
    faults.push(
      wrong(
        area,
        `${countText(overdue, 'attempt is', 'attempts are')} overdue for more than 5 min: start webhooks, or see their /readyz.`,
      ),
    )
  const dead = Number(row!.dead)
  if (dead > 0)
    faults.push(
      warn(
        area,
        `${countText(dead, 'was', 'were')} given up within ${deadDays} days: SELECT * FROM deliveries WHERE status = 'dead'.`,
      ),
    )
  for (const { id, url, disabled } of endpoints)
    if (disabled)
      faults.push(
        warn(
          area,
          `Endpoint ${id} (${url}) answered 410 Gone and gets nothing more: remove it, or add it anew.`,
        ),
      )
  const open = countText(Number(row!.open), 'delivery', 'deliveries')
  const says = `${countText(endpoints.length, 'endpoint')}, and ${open} to be tried.`
  return orOk(faults, area, says)
}

/** Whether the webhooks read what stands on the log, and can; nothing to say where they do, or nobody is to be told. */
export async function examineAlerts(source: DeliverySource): Promise<readonly Check[]> {
  if ((await listEndpoints(source.store)).length === 0) return []
  const { log, store, alertsTopic: topic } = source
  const faults: Check[] = []
  const unread: number[] = []
  const partitions = await log.partitions(topic)
  for (let partition = 0; partition < partitions; partition++) {
    const progress = await readProgress(store, topic, partition)
    const fault = progress && (await findFault({ log, topic }, partition, progress))
    const { startOffset, endOffset } = await log.bounds(topic, partition)
    if (fault) faults.push(wrong(area, fault.message))
    else if ((progress?.seenOffset ?? startOffset) < endOffset) unread.push(partition)
  }
  if (unread.length > 0) {
    const where = `Alerts of ${partitionsText(unread)}`
    const says = `${where} are not read by the webhooks: start the service, or see its /readyz.`
    faults.push(wrong(area, says))
  }
  return faults
}
