/** A return that is read while the alert of its silence is under way: its receiver is told of both. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type DeliveryRow, deliveriesOf } from '../../services/webhooks/deliveries.ts'
import { openDelivering } from './delivering.ts'
import { alert, append, type Data, start } from './fixture.ts'

const { data, closing, hook } = await openDelivering()

/** A receiver that answers its first request when it is told to, the others at once. */
async function slowHook() {
  const first = Promise.withResolvers<ServerResponse>()
  const made = await hook((response, nth) => {
    if (nth === 1) first.resolve(response)
    else response.writeHead(204).end()
  })
  return { ...made, answerFirst: async () => (await first.promise).writeHead(204).end() }
}

const isAttempt = (row: object) => (row as DeliveryRow).attempt > 0

for (const [when, user] of [
  ['not stored yet', 'ann'],
  ['stored', 'ben'],
] as const)
  test(`whose answer comes while the tables are asked for attempts, and is ${when} when they have said`, async () => {
    const receiver = await slowHook()
    const writing = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const store: Data['store'] = {
      ...data.store,
      async insert(table, rows) {
        if (table === 'deliveries' && rows.some(isAttempt)) {
          writing.resolve()
          if (when === 'not stored yet') await asked.promise
        }
        await data.store.insert(table, rows)
      },
      async query<Row>(sql: string, params?: Parameters<Data['store']['query']>[1]) {
        const rows = await data.store.query<Row>(sql, params)
        if (!sql.includes('max(attempt)')) return rows
        await receiver.answerFirst()
        await writing.promise
        // The alert's delivery has left, that of the return is still there.
        while (when === 'stored' && webhooks.openDeliveries() > 1) await turn()
        asked.resolve()
        return rows
      },
    }
    const webhooks = await start({ ...data, store })
    closing.push(webhooks.stop)
    await append(data.log, alert(user))
    await receiver.saw(`m-${user}-fired`)
    await append(data.log, alert(user, { status: 'resolved' }))
    const id = `m-${user}-resolved`
    const row = await data.stored.until(async () => {
      const [found] = (await deliveriesOf(data.store, [id])).get(id) ?? []
      return found?.next_at === null ? found : undefined
    })
    assert.equal(row.status, 'delivered')
  })
