/**
 * Signing secrets at rest: AES-256-GCM under one key, which lies in a file beside the data and in no
 * table, so that a copy of the tables tells nobody a secret. A sealed secret is
 * `<key id>.<base64url of nonce, ciphertext, tag>` and opens for its own endpoint only.
 */
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EbbError } from '../base/errors.ts'

const cipherName = 'aes-256-gcm'
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

export interface SecretKey {
  /** From the key's hash; it says which key sealed a secret, and nothing about the key. */
  readonly id: string
  readonly bytes: Buffer
}

export function secretKeyPath(dataDirectory: string): string {
  return join(dataDirectory, 'secret.key')
}

function keyOf(bytes: Buffer): SecretKey {
  return { id: hash('sha256', bytes).slice(0, 8), bytes }
}

/** Undefined when there is no key file. */
export async function readSecretKey(path: string): Promise<SecretKey | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined
    throw new EbbError('secretKeyWrong', `The key file ${path} cannot be read.`, { cause: error })
  }
  const bytes = Buffer.from(text.trim(), 'base64')
  if (bytes.length !== keyBytes)
    throw new EbbError('secretKeyWrong', `The key file ${path} holds no key of ${keyBytes} bytes.`)
  return keyOf(bytes)
}

/**
 * Makes the key file, for its owner's eyes only. It appears whole and durable or not at all; one that is
 * there already stays, and counts.
 */
export async function makeSecretKey(path: string): Promise<SecretKey> {
  const bytes = randomBytes(keyBytes)
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.${randomBytes(4).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${bytes.toString('base64')}\n`)
    await file.sync()
    await link(draft, path)
  } catch (error) {
    const present = await readSecretKey(path)
    if (present) return present
    throw error
  } finally {
    await file.close()
    await unlink(draft)
  }
  const directory = await open(dirname(path))
  await directory.sync().finally(() => directory.close())
  return keyOf(bytes)
}

export function seal(key: SecretKey, endpointId: string, secret: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(cipherName, key.bytes, nonce).setAAD(Buffer.from(endpointId))
  const sealed = [nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]
  return `${key.id}.${Buffer.concat(sealed).toString('base64url')}`
}

export function unseal(key: SecretKey, endpointId: string, sealed: string): string {
  const [keyId, text = ''] = sealed.split('.', 2)
  if (keyId !== key.id)
    throw new EbbError(
      'secretKeyWrong',
      `The secret of endpoint ${endpointId} was sealed with key ${keyId}; the key file holds ${key.id}.`,
    )
  const bytes = Buffer.from(text, 'base64url')
  try {
    const decipher = createDecipheriv(cipherName, key.bytes, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
    decipher.setAAD(Buffer.from(endpointId)).setAuthTag(bytes.subarray(-tagBytes))
    const secret = decipher.update(bytes.subarray(nonceBytes, -tagBytes), undefined, 'utf8')
    return secret + decipher.final('utf8')
  } catch (error) {
    throw new EbbError(
      'secretKeyWrong',
      `The sealed secret of endpoint ${endpointId} was changed, or belongs to another endpoint.`,
      { cause: error },
    )
  }
}
