/** Every alert that is to be sent has come, signed, with one body; or its delivery says why not. */
import { setTimeout as wait } from 'node:timers/promises'
import { steadyClock, wallClock } from '../../services/base/time.ts'
import { decodeAlert } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import type { Store } from '../../services/store/store.ts'
import { alertsTopic } from '../servers/compare.ts'
import { firstOf } from './books.ts'
import { hashOf } from './receiver.ts'
import type { SoakScene } from './scene.ts'

const readBytes = 1 << 20
const lookIntervalMs = 2_000
/** When nothing has come for so long and nothing is due, nothing more is waited for. */
const pauseMsMax = 60_000

/** On the topic of alerts, by message id. */
interface Told {
  /** Of the records' bytes: more than one is a fault. */
  readonly hashes: Set<string>
  readonly send: boolean
}

export interface Deliveries {
  readonly faults: readonly string[]
  readonly messages: number
  /** Whose user returned before, or that were old news. */
  readonly unsent: number
}

async function readTold(log: Log, faults: string[]): Promise<Map<string, Told>> {
  const told = new Map<string, Told>()
  for (let partition = 0; partition < (await log.partitions(alertsTopic)); partition++) {
    const { startOffset, endOffset } = await log.bounds(alertsTopic, partition)
    for (let offset = startOffset; offset < endOffset; )
      for (const record of await log.read(alertsTopic, partition, offset, readBytes)) {
        offset = record.offset + 1
        const alert = decodeAlert(record.value)
        if (!('messageId' in alert)) {
          faults.push(`the topic of alerts has no alert at ${partition}:${record.offset}`)
          continue
        }
        const held = told.get(alert.messageId) ?? { hashes: new Set(), send: alert.send }
        held.hashes.add(hashOf(record.value!))
        told.set(alert.messageId, held)
      }
  }
  return told
}

async function unsentIn(store: Store): Promise<Set<string>> {
  const rows = await store.query<{ message_id: string }>(
    "SELECT DISTINCT message_id FROM deliveries FINAL WHERE status IN ('cancelled', 'stale')",
  )
  return new Set(rows.map(row => row.message_id))
}

/** How long from now the last attempt that is planned is away; 0: none is. */
async function nextAttemptMs(store: Store): Promise<number> {
  const [row] = await store.query<{ last: string }>(
    `SELECT toUnixTimestamp64Milli(max(next)) AS last FROM (
       SELECT argMax(ifNull(next_at, toDateTime64(0, 3)), attempt) AS next FROM deliveries FINAL
       GROUP BY message_id, endpoint_id)`,
  )
  return Math.max(0, Number(row!.last) - wallClock())
}

/** To be asked when all is folded; waits for what is still to come. `alerts`: ids by the tables' count. */
export async function checkDeliveries(
  { log, store, receiver }: Pick<SoakScene, 'log' | 'store' | 'receiver'>,
  alerts: number,
  say: (text: string) => void,
): Promise<Deliveries> {
  const faults: string[] = []
  const told = await readTold(log, faults)
  if (told.size !== alerts) faults.push(`${told.size} messages on the log, ${alerts} by the fold`)
  for (const [id, { hashes }] of told)
    if (hashes.size > 1) faults.push(`message ${id} has ${hashes.size} bodies on the log`)
  const sendable = [...told].flatMap(([id, { send }]) => (send ? [id] : []))
  let unsent = await unsentIn(store)
  const missing = () => sendable.filter(id => !receiver.bodies.has(id) && !unsent.has(id))
  for (let before = -1; missing().length > 0 && receiver.bodies.size > before; ) {
    before = receiver.bodies.size
    const waitMs = (await nextAttemptMs(store)) + pauseMsMax
    say(
      `${missing().length} messages are still to come, the last within ${Math.round(waitMs / 1000)} s`,
    )
    const endMs = steadyClock() + waitMs
    while (missing().length > 0 && steadyClock() < endMs) {
      await wait(lookIntervalMs)
      unsent = await unsentIn(store)
    }
  }
  for (const id of missing()) faults.push(`message ${id} never came`)
  for (const [id, bodies] of receiver.bodies) {
    if (bodies.size > 1) faults.push(`message ${id} came with ${bodies.size} bodies`)
    if (!told.get(id)?.send) faults.push(`message ${id} came, and is not to be sent`)
    if (unsent.has(id)) faults.push(`message ${id} came, and its delivery says it was not sent`)
  }
  if (receiver.counts.unsigned > 0)
    faults.push(`${receiver.counts.unsigned} requests had no signature that fits`)
  return { faults: firstOf(faults), messages: receiver.bodies.size, unsent: unsent.size }
}
