/** Webhooks for one test after the other, on a log and tables of the file, and what became of messages. */
import { after, afterEach, beforeEach } from 'node:test'
import type { DeliveryRow } from '../../services/webhooks/deliveries.ts'
import { addEndpoint } from '../../services/webhooks/endpoints.ts'
import type { Webhooks } from '../../services/webhooks/webhooks.ts'
import {
  answerWith,
  type Data,
  type Hook,
  logged,
  newDirectory,
  openData,
  removeDirectory,
  start,
  startHook,
  testClockMs,
} from './fixture.ts'

export interface Delivering {
  readonly data: Data
  /** Ended with the test, as whatever else is put here. */
  readonly closing: (() => Promise<unknown>)[]
  /** A receiver that is an endpoint, until the test ends. */
  hook(
    answer?: Parameters<typeof startHook>[0],
  ): Promise<Hook & { readonly id: string; readonly secret: string }>
  /** Until the test ends. */
  run(options?: Parameters<typeof start>[1]): Promise<Webhooks>
  /** `attempt status code` of each row, e.g. `0 pending 0`. */
  history(messageId: string, endpointId?: string): Promise<string[]>
  /** The same, once the last row says so. */
  ends(messageId: string, status: string, endpointId?: string): Promise<string[]>
}

/** To be called once, at the beginning of a file of tests. */
export async function openDelivering(): Promise<Delivering> {
  const directory = newDirectory()
  const data = await openData(directory)
  const closing: (() => Promise<unknown>)[] = []
  after(async () => {
    await data.close()
    removeDirectory(directory)
  })
  beforeEach(async () => {
    // The log cannot be emptied: each test reads on from where the last one stopped.
    for (const table of ['endpoints', 'deliveries'])
      await data.store.command(`TRUNCATE TABLE ${table}`)
    logged.length = 0
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  async function history(messageId: string, endpointId = ''): Promise<string[]> {
    const rows = await data.store.query<DeliveryRow>(
      `SELECT * FROM deliveries FINAL WHERE message_id = {id:String}
       AND (endpoint_id = {endpoint:String} OR {endpoint:String} = '') ORDER BY endpoint_id, attempt`,
      { id: messageId, endpoint: endpointId },
    )
    return rows.map(row => `${row.attempt} ${row.status} ${row.code}`)
  }
  return {
    data,
    closing,
    async hook(answer = answerWith(204)) {
      const made = await startHook(answer)
      closing.push(made.stop)
      const endpoint = await addEndpoint(data.store, data.key, made.url, testClockMs)
      return { ...made, ...endpoint }
    },
    async run(options) {
      const webhooks = await start(data, options)
      closing.push(webhooks.stop)
      return webhooks
    },
    history,
    ends: (messageId, status, endpointId) =>
      data.stored.until(async () => {
        const rows = await history(messageId, endpointId)
        return rows.at(-1)?.split(' ')[1] === status ? rows : undefined
      }),
  }
}
