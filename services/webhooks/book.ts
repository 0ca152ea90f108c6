/**
 * The endpoints as deliveries see them: not older than a second where ClickHouse answers within one, for other
 * processes change them by the table alone; and read again whenever somebody here says that they changed.
 */
import { EbbError } from '../base/errors.ts'
import { elapsedMs, every, type Moment, momentNow, steadyClock } from '../base/time.ts'
import type { Store } from '../store/store.ts'
import { type Logger, persist } from './deliveries.ts'
import { disableEndpoint, type SigningEndpoint, signingEndpoints } from './endpoints.ts'
import type { SecretKey } from './secrets.ts'

/** An attempt goes by what was read at most so long before its request begins. */
export const endpointsAgeMsMax = 1_000
/**
 * Where ClickHouse takes longer than that to answer, an attempt goes by its newest answer after so long: alerts that
 * wait until it is quick again would harm more than one that goes to where an endpoint was a few seconds ago.
 */
const patienceMs = 10_000
/** So long a change may go unnoticed where nothing is to be sent. */
const lookIntervalMs = 5_000

interface Reading {
  readonly endpoints: ReadonlyMap<string, SigningEndpoint>
  /** When the question was asked that was answered. */
  readonly askedAt: Moment
}

const isOld = ({ askedAt }: Reading): boolean => elapsedMs(askedAt) > endpointsAgeMsMax

export interface EndpointBook {
  /** As of now: who asks during a change waits for it, so nothing goes to a URL after its change. */
  endpoint(id: string): Promise<SigningEndpoint | undefined>
  enabled(): Promise<SigningEndpoint[]>
  /** Reads them again. */
  changed(): void
  /** Answered 410 Gone; resolves when that is in the table. */
  disable(id: string): Promise<void>
}

/** Throws when a secret cannot be opened: Ebb would send nothing that anybody could verify. */
export async function openEndpointBook(options: {
  readonly store: Store
  readonly key: SecretKey
  readonly clock: () => number
  readonly logger: Logger
  readonly stopped: AbortSignal
  /** Called after each change with all that there are now. */
  onChange(endpoints: ReadonlyMap<string, SigningEndpoint>): Promise<unknown>
}): Promise<EndpointBook> {
  const { store, key, logger } = options
  const load = () =>
    persist(async (): Promise<Reading> => {
      const askedAt = momentNow()
      const endpoints = await signingEndpoints(store, key)
      return { askedAt, endpoints: new Map(endpoints.map(endpoint => [endpoint.id, endpoint])) }
    }, options)
  let known = await load()
  /** False: the latest reading failed, and waiting mends nothing. */
  let settled = Promise.resolve(true)
  /** A reading that has not begun yet: it does for all who come until then. */
  let queued = false

  function report(error: unknown): false {
    logger.error({ err: error }, 'A change of endpoints could not be followed.')
    return false
  }

  async function reload(): Promise<true> {
    queued = false
    const before = JSON.stringify([...known.endpoints])
    known = await load()
    const { endpoints } = known
    // Not awaited here: an attempt that it waits for may itself wait for these endpoints.
    if (JSON.stringify([...endpoints]) !== before) options.onChange(endpoints).catch(report)
    return true
  }

  /** Resolves when the step is done; readings come in order. */
  function reloadAfter(step: () => Promise<void>): Promise<void> {
    const done = settled.then(step)
    settled = done.then(reload).catch(report)
    return done
  }

  function reloadSoon(): void {
    if (queued) return
    queued = true
    reloadAfter(async () => {})
  }

  const stopLooking = every(lookIntervalMs, reloadSoon)
  options.stopped.addEventListener('abort', stopLooking, { once: true })

  /** What was read may be old again when it is here: the store was slow, or this process stood still meanwhile. */
  async function current(): Promise<ReadonlyMap<string, SigningEndpoint>> {
    const askedAtMs = steadyClock()
    let isRead = true
    do {
      if (isOld(known)) reloadSoon()
      for (let awaited: Promise<boolean> | undefined; awaited !== settled; ) {
        awaited = settled
        isRead = await awaited
      }
    } while (isRead && isOld(known) && steadyClock() - askedAtMs < patienceMs)
    return known.endpoints
  }

  async function disable(id: string): Promise<void> {
    if (known.endpoints.get(id)?.disabled !== false) return
    try {
      await persist(() => disableEndpoint(store, id, options.clock()), options)
      logger.warn({ endpoint: id }, 'The endpoint answered 410 Gone and is disabled.')
    } catch (error) {
      // Removed in the meantime: nothing is left to disable.
      if (!(error instanceof EbbError && error.code === 'badInput')) throw error
    }
  }

  return {
    endpoint: async id => (await current()).get(id),
    enabled: async () => [...(await current()).values()].filter(({ disabled }) => !disabled),
    changed: () => reloadAfter(async () => {}),
    disable: id => reloadAfter(() => disable(id)),
  }
}
