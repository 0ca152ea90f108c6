/** Webhooks on a log in memory that keeps a record for one second of its clock: another one for each test. */
import { beforeEach } from 'node:test'
import { partitionOf } from '../../services/base/slot.ts'
import type { LocalLog } from '../../services/log/local.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { DeliveryRow } from '../../services/webhooks/deliveries.ts'
import type { Webhooks } from '../../services/webhooks/webhooks.ts'
import { type Delivering, openDelivering } from './delivering.ts'
import { type Data, partitions, start, topic } from './fixture.ts'

export interface Forgetting extends Pick<Delivering, 'data' | 'hook'> {
  /** That of the test. */
  log(): LocalLog
  /** Another one in its place, as after a topic was made anew. */
  makeAnew(): Promise<LocalLog>
  /** By the clock of the log. */
  letPass(durationMs: number): void
  /** Retention takes all that is there. */
  dropAll(): Promise<void>
  /** Until the test ends. */
  run(options?: Parameters<typeof start>[1] & { store?: Data['store'] }): Promise<Webhooks>
  /** The last row, once it says so. */
  ends(messageId: string, status: string): Promise<DeliveryRow>
}

/** To be called once, at the beginning of a file of tests. */
export async function openForgetting(): Promise<Forgetting> {
  const { data, closing, hook } = await openDelivering()
  let log: LocalLog
  let clockMs = 0

  async function makeAnew(): Promise<LocalLog> {
    log = openMemoryLog({ clock: () => clockMs })
    await log.ensure(topic, { partitions, retentionMs: 1000, retentionBytes: Infinity })
    return log
  }
  const letPass = (durationMs: number) => {
    clockMs += durationMs
  }
  beforeEach(async () => {
    await data.store.command('TRUNCATE TABLE progress')
    await makeAnew()
  })
  return {
    data,
    hook,
    log: () => log,
    makeAnew,
    letPass,
    async dropAll() {
      letPass(10_000)
      await log.retain()
    },
    async run({ store = data.store, ...options } = {}) {
      const webhooks = await start({ ...data, log, store }, options)
      closing.push(webhooks.stop)
      return webhooks
    },
    ends: (messageId, status) =>
      data.stored.until(async () => {
        const [row] = await data.store.query<DeliveryRow>(
          `SELECT * FROM deliveries WHERE message_id = {id:String}
           ORDER BY attempt DESC, version DESC LIMIT 1`,
          { id: messageId },
        )
        return row?.status === status ? row : undefined
      }),
  }
}

/** Users of one partition, so that one reader sees them all. */
export const usersOfOne = Array.from({ length: 40 }, (_, at) => `u${at}`).filter(
  user => partitionOf(user, partitions) === 0,
)
