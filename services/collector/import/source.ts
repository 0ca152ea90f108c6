/** A file to import: looked at once before anything is changed, then read. */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { EbbError } from '../../base/errors.ts'

export interface Source {
  /** As the user named it. */
  readonly name: string
  readonly path: string
  readonly gzip: boolean
  readonly format: 'csv' | 'ndjson' | 'empty'
  /** As it lies on the disk. */
  readonly sizeBytes: number
  /**
   * 80 bits of SHA-256 of the content after decompression: a file is the same under any path, and packed or
   * not, so the ids made from it are too.
   */
  readonly contentHash: string
}

const chunkBytes = 256 * 1024
const sniffBytes = 4096

/** Reads the whole file, so a missing or broken one is refused before anything was changed. */
export async function inspect(
  name: string,
  path: string,
  onBytes: (readBytes: number) => void,
): Promise<Source> {
  const { size, magic } = await firstBytes(name, path)
  const gzip = magic[0] === 0x1f && magic[1] === 0x8b
  if (magic.toString('latin1') === 'PK\x03\x04')
    throw new EbbError('badInput', `${name} is a zip archive; unpack it first.`)
  const hash: Hash = createHash('sha256')
  let head: Buffer = Buffer.alloc(0)
  for await (const chunk of readBytes({ name, path, gzip }, onBytes)) {
    hash.update(chunk)
    if (head.length < sniffBytes) head = Buffer.concat([head, chunk]).subarray(0, sniffBytes)
  }
  const contentHash = hash.digest('hex').slice(0, 20)
  return { name, path, gzip, format: formatOf(name, head), sizeBytes: size, contentHash }
}

async function firstBytes(name: string, path: string): Promise<{ size: number; magic: Buffer }> {
  try {
    const status = await stat(path)
    if (status.isDirectory()) throw new EbbError('badInput', `${name} is a directory, not a file.`)
    const handle = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0)
      return { size: status.size, magic: buffer.subarray(0, bytesRead) }
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw unreadable(name, error)
  }
}

/** By name, else by content: only JSON begins with a brace. */
function formatOf(name: string, head: Buffer): Source['format'] {
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff))
    throw new EbbError('badInput', `${name} is UTF-16; convert it: iconv -f utf-16 -t utf-8.`)
  const text = head
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimStart()
  if (text === '' && head.length < sniffBytes) return 'empty'
  const plainName = name.toLowerCase().replace(/\.gz$/, '')
  if (plainName.endsWith('.csv')) return 'csv'
  if (/\.(ndjson|jsonl|json)$/.test(plainName)) return 'ndjson'
  return text.startsWith('{') ? 'ndjson' : 'csv'
}

/** The content, unpacked. `onBytes` hears how far into the file on the disk we are. */
export async function* readBytes(
  file: Pick<Source, 'name' | 'path' | 'gzip'>,
  onBytes: (readBytes: number) => void,
): AsyncGenerator<Buffer> {
  const raw = createReadStream(file.path, { highWaterMark: chunkBytes })
  const gunzip = file.gzip ? createGunzip({ chunkSize: chunkBytes }) : null
  const stream = gunzip ?? raw
  try {
    // The reader below hears of every error as the stream's own.
    if (gunzip) pipeline(raw, gunzip).catch(error => gunzip.destroy(error))
    for await (const chunk of stream) {
      onBytes(raw.bytesRead)
      yield chunk as Buffer
    }
  } catch (error) {
    throw unreadable(file.name, error)
  } finally {
    raw.destroy()
    stream.destroy()
  }
}

function unreadable(name: string, error: unknown): unknown {
  if (error instanceof EbbError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  const sentences: Record<string, string> = {
    ENOENT: `There is no file ${name}.`,
    EACCES: `${name} may not be read by this user.`,
    Z_BUF_ERROR: `${name} is cut off: the gz ends too early.`,
  }
  const zlib = code.startsWith('Z_') ? `${name} is no readable gz: ${message}.` : undefined
  const sentence =
    sentences[code] ?? zlib ?? (code ? `${name} cannot be read: ${message}.` : undefined)
  return sentence === undefined ? error : new EbbError('badInput', sentence, { cause: error })
}

/** Standard input cannot be read twice, so it is kept in a file. */
export async function spool(input: Readable, path: string): Promise<void> {
  await pipeline(input, createWriteStream(path, { mode: 0o600 }))
}
