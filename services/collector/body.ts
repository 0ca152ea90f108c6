/** A request's body as JSON: bounded while it is read, and again while it is inflated. */
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { Refusal } from './refusal.ts'
import type { Hold } from './waiting.ts'

/** Of a body, as sent and after decompression. */
export const requestBytesMax = 1024 * 1024

type Inflater = (bytes: Buffer, bounds: { maxOutputLength: number }) => Promise<Buffer>

const inflaters: ReadonlyMap<string, Inflater> = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
])

export interface Body {
  readonly value: unknown
  readonly text: string
  /** Of the text, before it was parsed. */
  readonly bytes: number
}

/** JSON under the names that trackers give it: browsers send text/plain, since it needs no preflight. */
const mediaTypes = ['application/json', 'text/plain']

export async function readBody(request: IncomingMessage, hold: Hold): Promise<Body> {
  checkMediaType(request)
  const inflater = inflaterOf(request)
  const sent = await readBytes(request, hold)
  const bytes = inflater ? await inflater(sent) : sent
  hold.resize(bytes.length)
  const text = decodeText(bytes)
  if (text.trim() === '') throw new Refusal('empty', 'The request has no body.', { text: '' })
  return { value: parseJson(text), text, bytes: bytes.length }
}

function checkMediaType(request: IncomingMessage): void {
  const mediaType = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (mediaType === undefined || mediaTypes.includes(mediaType)) return
  throw new Refusal('media', 'Send JSON, with the header Content-Type: application/json.')
}

function inflaterOf(request: IncomingMessage): ((sent: Buffer) => Promise<Buffer>) | undefined {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity') return undefined
  const inflater = inflaters.get(encoding)
  if (!inflater) throw new Refusal('media', 'Content-Encoding: must be gzip, deflate or identity.')
  return async sent => {
    try {
      return await inflater(sent, { maxOutputLength: requestBytesMax })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('')
      throw new Refusal('encoding', `Content-Encoding: the body is not valid ${encoding}.`, {
        text: '',
      })
    }
  }
}

/** What still comes after a refusal runs out unread: else neither answer nor connection would be free. */
async function readBytes(request: IncomingMessage, hold: Hold): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  hold.resize(0)
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length
      chunks.push(chunk as Buffer)
      if (bytes > requestBytesMax) throw tooLarge(Buffer.concat(chunks).toString())
      hold.resize(bytes)
    }
  } catch (error) {
    request.resume()
    if (error instanceof Refusal) throw error
    throw new Refusal('aborted', 'The request ended before its body did.')
  }
  return Buffer.concat(chunks)
}

function tooLarge(text: string): Refusal {
  const limit = `at most ${requestBytesMax} bytes, counted after decompression`
  return new Refusal('size', `The body is too large: a request may have ${limit}.`, { text })
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function decodeText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Refusal('json', 'The body is not valid UTF-8.', { text: bytes.toString() })
  }
}

/** The parser's own message would quote the body, so only the position is taken from it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const position = /at position \d+/.exec(String(error))?.[0]
    throw new Refusal('json', `The body is not valid JSON${position ? `, ${position}` : ''}.`, {
      text,
    })
  }
}
