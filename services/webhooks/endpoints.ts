/**
 * Where webhooks go. The table keeps every revision of an endpoint; the newest one counts, and a removed
 * endpoint keeps no secret.
 *
 * Limit: a URL is checked for its shape alone. It may name an address inside the network (SSRF), so only
 * people who may see that network may add endpoints; Ebb listens on 127.0.0.1 for as long as that is so.
 */
import { randomBytes } from 'node:crypto'
import { EbbError } from '../base/errors.ts'
import { contentId } from '../base/ids.ts'
import { readTime, rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import {
  makeSecretKey,
  readSecretKey,
  type SecretKey,
  seal,
  secretKeyPath,
  unseal,
} from './secrets.ts'
import { newSecret } from './signature.ts'

const urlBytesMax = 2048

export interface Endpoint {
  readonly id: string
  readonly url: string
  /** Nothing is sent to it: it answered 410 Gone. */
  readonly disabled: boolean
  readonly changedMs: number
}

export interface SigningEndpoint extends Endpoint {
  readonly secret: string
}

interface EndpointRow {
  readonly endpoint_id: string
  readonly revision: number
  readonly url: string
  readonly secret: string
  readonly disabled: boolean
  readonly removed: boolean
  readonly changed_at: number
}

/** The URL as it will be called, or an error that says what to mend. */
export function checkUrl(text: string): string {
  const url = URL.parse(text)
  if (!url) throw new EbbError('badInput', `${JSON.stringify(text)} is no URL.`)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new EbbError('badInput', `An endpoint's URL begins with https:// or http://.`)
  // Not repeated in the sentence: it would put the password into a log.
  if (url.username !== '' || url.password !== '')
    throw new EbbError('badInput', 'A URL with a user or a password in it is not taken.')
  url.hash = ''
  if (url.href.length > urlBytesMax)
    throw new EbbError('badInput', `An endpoint's URL has at most ${urlBytesMax} bytes.`)
  return url.href
}

/**
 * The key of this data directory. It is made when nothing was ever sealed; a key that is gone while
 * endpoints need it is an error, since a new one could not open their secrets.
 */
export async function openSecretKey(store: Store, dataDirectory: string): Promise<SecretKey> {
  const path = secretKeyPath(dataDirectory)
  const present = await readSecretKey(path)
  if (present) return present
  const sealed = (await newestRows(store)).length
  if (sealed > 0)
    throw new EbbError(
      'secretKeyMissing',
      `The key file ${path} is missing, and ${sealed} endpoints have secrets sealed with it.`,
    )
  return makeSecretKey(path)
}

/** Newest revisions, without removed endpoints, the latest change last. */
async function newestRows(store: Store, endpointId?: string): Promise<EndpointRow[]> {
  const only = endpointId === undefined ? '' : 'WHERE endpoint_id = {endpoint:String}'
  const rows = await store.query<EndpointRow & { revision: string; changed_at: string }>(
    `SELECT * FROM (
       SELECT * FROM endpoints ${only} ORDER BY revision DESC LIMIT 1 BY endpoint_id
     ) WHERE NOT removed ORDER BY changed_at, endpoint_id`,
    endpointId === undefined ? undefined : { endpoint: endpointId },
  )
  return rows.map(row => ({
    ...row,
    revision: Number(row.revision),
    changed_at: readTime(row.changed_at),
  }))
}

function endpointOf(row: EndpointRow): Endpoint {
  return {
    id: row.endpoint_id,
    url: row.url,
    disabled: row.disabled,
    changedMs: row.changed_at,
  }
}

export async function listEndpoints(store: Store): Promise<Endpoint[]> {
  return (await newestRows(store)).map(endpointOf)
}

/** With their secrets opened; throws `secretKeyWrong` when one cannot be. */
export async function signingEndpoints(store: Store, key: SecretKey): Promise<SigningEndpoint[]> {
  const rows = await newestRows(store)
  return rows.map(row => ({
    ...endpointOf(row),
    secret: unseal(key, row.endpoint_id, row.secret),
  }))
}

/** The secret is told here and never again. */
export async function addEndpoint(
  store: Store,
  key: SecretKey,
  url: string,
  nowMs: number,
): Promise<{ readonly id: string; readonly url: string; readonly secret: string }> {
  const checked = checkUrl(url)
  const id = contentId('endpoint', randomBytes(16).toString('hex'))
  const secret = newSecret()
  const row: EndpointRow = {
    endpoint_id: id,
    revision: 1,
    url: checked,
    secret: seal(key, id, secret),
    disabled: false,
    removed: false,
    changed_at: rowTime(nowMs),
  }
  await store.insert('endpoints', [row])
  return { id, url: checked, secret }
}

/**
 * An operator's revision is two above the newest, Ebb's own one: whichever of the two reads first, what the
 * operator said stands, and a removed endpoint does not come back as a disabled one.
 */
async function revise(
  store: Store,
  endpointId: string,
  change: (newest: EndpointRow) => Partial<EndpointRow> | undefined,
): Promise<void> {
  const [newest] = await newestRows(store, endpointId)
  if (!newest) throw new EbbError('badInput', `There is no endpoint ${JSON.stringify(endpointId)}.`)
  const changed = change(newest)
  if (changed) await store.insert('endpoints', [{ ...newest, ...changed }])
}

export async function removeEndpoint(store: Store, id: string, nowMs: number): Promise<void> {
  await revise(store, id, ({ revision }) => ({
    revision: revision + 2,
    removed: true,
    secret: '',
    changed_at: rowTime(nowMs),
  }))
}

/** By Ebb itself, after a 410: kept and shown, but nothing more is sent to it. */
export async function disableEndpoint(store: Store, id: string, nowMs: number): Promise<void> {
  await revise(store, id, ({ revision, disabled }) =>
    disabled ? undefined : { revision: revision + 1, disabled: true, changed_at: rowTime(nowMs) },
  )
}
