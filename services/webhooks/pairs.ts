/**
 * What is not worth sending any more: a return makes void what was not yet said of the silence, and nobody
 * needs to hear of the return from a silence that he was not told of.
 */
import type { Store } from '../store/store.ts'
import { type Courier, type Delivery, isUntried } from './courier.ts'
import { attemptsOf } from './deliveries.ts'

const waits = ({ phase }: Delivery) => phase !== 'running' && phase !== 'ended'

const placeOf = (alertId: string, endpointId: string) => `${alertId} ${endpointId}`

/**
 * Of `deliveries` those of a return, and those of its silence that wait with it for the same endpoint. The
 * return itself is sent all the same where a step of the silence was tried before, and where none ever
 * had a delivery.
 */
export async function voidDeliveries(
  store: Store,
  courier: Courier,
  deliveries: readonly Delivery[],
): Promise<Delivery[]> {
  // One that an owner before us had may have been sent, but only if its silence was told too.
  const returns = deliveries.filter(
    delivery =>
      delivery.message.alert.status === 'resolved' && delivery.row.attempt === 0 && waits(delivery),
  )
  if (returns.length === 0) return []
  // Before the tables are asked: whatever is not with us by then is in them.
  const silences = new Map(returns.map(delivery => [delivery, silencesOf(courier, delivery)]))
  const alertIds = new Set(returns.map(({ message }) => message.alert.alertId))
  const attempts = await attemptsOf(store, [...alertIds])
  const own = new Set(returns.map(({ row }) => row.message_id))
  const told = new Set<string>()
  const known = new Set<string>()
  for (const row of attempts) {
    const place = placeOf(row.alert_id, row.endpoint_id)
    if (own.has(row.message_id)) continue
    known.add(place)
    if (row.attempt > 0) told.add(place)
  }
  const voided: Delivery[] = []
  for (const delivery of returns) {
    const { alertId } = delivery.message.alert
    const place = placeOf(alertId, delivery.row.endpoint_id)
    const siblings = silences.get(delivery)!
    voided.push(...siblings.filter(sibling => isUntried(sibling) && waits(sibling)))
    // An attempt under way may not be stored yet, and one of whoever died never was.
    const isTold =
      told.has(place) ||
      siblings.some(sibling => sibling.phase === 'running' || !isUntried(sibling))
    if (known.has(place) && !isTold) voided.push(delivery)
  }
  return voided
}

function silencesOf(courier: Courier, { message, row }: Delivery): Delivery[] {
  return [...courier.ofAlert(message.alert.alertId)].filter(
    other => other.row.endpoint_id === row.endpoint_id && other.message.alert.status === 'fired',
  )
}
