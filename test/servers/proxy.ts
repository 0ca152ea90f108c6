/**
 * A TCP proxy between a service and its server, which harms what goes through it:
 *
 *   none      hands everything on
 *   refused   nobody listens, and what was connected is reset
 *   silent    takes connections and hands nothing on in either direction, as a network does that was cut apart
 *   slow      answers come later
 *   cut       a request is reset after so many of its bytes, or after so many bytes of its answer; 0 of an answer:
 *             the server has done what it was asked for, and nobody hears of it
 *   answered  a request never gets to the server: the proxy answers in its place
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after } from '../../services/base/time.ts'

/** `request` says which requests suffer, by how they begin. */
export type Fault =
  | { readonly kind: 'none' | 'refused' | 'silent' }
  | { readonly kind: 'slow'; readonly delayMs: number; readonly request: RegExp }
  | {
      readonly kind: 'cut'
      readonly of: 'request' | 'answer'
      readonly bytes: number
      readonly request: RegExp
    }
  | { readonly kind: 'answered'; readonly answer: string; readonly request: RegExp }

export interface TcpProxy {
  readonly port: number
  readonly url: string
  /** From here on; `times`: after so many requests have suffered there is none again. */
  suffer(fault: Fault, times?: number): Promise<void>
  /** How many requests have suffered since the last call of `suffer`. */
  struck(): number
  /** Resolves at the moment at which the next request suffers. */
  strikes(): Promise<void>
  stop(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** What becomes of the request that this connection carries now. */
  fault: Fault
  bytesLeft: number
}

const none: Fault = { kind: 'none' }

interface Target {
  readonly host: string
  readonly port: number
}

/** Proxies before the brokers of a Kafka, all of which suffer the same. */
export interface KafkaProxy extends Pick<TcpProxy, 'suffer' | 'stop'> {
  /** With commas, as `--kafka` has them. */
  readonly addresses: string
}

/**
 * Brokers tell their clients where they are: those are the proxies' ports on their way. Host and port stand side by
 * side in what they say, so nothing gets longer.
 */
export async function startKafkaProxy(brokers: readonly string[]): Promise<KafkaProxy> {
  const targets = brokers.map(broker => {
    const [host, port] = broker.split(':')
    return { host: host!, port: Number(port) }
  })
  const place = ({ host, port }: Target) => {
    const bytes = Buffer.alloc(host.length + 4)
    bytes.write(host, 'latin1')
    bytes.writeInt32BE(port, host.length)
    return bytes
  }
  const rewritten = (chunk: Buffer) => {
    targets.forEach((target, index) => {
      const [from, to] = [place(target), place({ ...target, port: proxies[index]!.port })]
      for (let at = chunk.indexOf(from); at >= 0; at = chunk.indexOf(from, at)) to.copy(chunk, at)
    })
    return chunk
  }
  const proxies = await Promise.all(targets.map(target => startProxy(target, rewritten)))
  return {
    addresses: targets.map(({ host }, index) => `${host}:${proxies[index]!.port}`).join(','),
    async suffer(fault) {
      await Promise.all(proxies.map(proxy => proxy.suffer(fault)))
    },
    async stop() {
      await Promise.all(proxies.map(proxy => proxy.stop()))
    },
  }
}

export async function startProxy(
  target: Target,
  rewritten: (chunk: Buffer) => Buffer = chunk => chunk,
): Promise<TcpProxy> {
  let fault: Fault = none
  let timesLeft = Number.POSITIVE_INFINITY
  let count = 0
  const pairs = new Set<Pair>()
  const waiting: (() => void)[] = []

  function reset({ client, server }: Pair): void {
    client.resetAndDestroy()
    server.resetAndDestroy()
  }

  /** The fault that this piece of a request begins to suffer, if it does. */
  function strike(chunk: Buffer): Fault {
    if (!('request' in fault) || timesLeft === 0) return none
    if (!fault.request.test(chunk.toString('latin1', 0, 4096))) return none
    timesLeft--
    count++
    for (const tell of waiting.splice(0)) tell()
    return fault
  }

  function toServer(pair: Pair, chunk: Buffer): void {
    if (/^(GET|POST|HEAD) /.test(chunk.toString('latin1', 0, 5))) {
      pair.fault = strike(chunk)
      if (pair.fault.kind === 'cut') pair.bytesLeft = pair.fault.bytes
    }
    if (pair.fault.kind === 'answered') return void pair.client.end(pair.fault.answer)
    if (pair.fault.kind !== 'cut' || pair.fault.of !== 'request')
      return void pair.server.write(chunk)
    const part = chunk.subarray(0, pair.bytesLeft)
    pair.bytesLeft -= part.length
    pair.server.write(part, () => {
      if (pair.bytesLeft === 0) reset(pair)
    })
  }

  /** Behind what is late of this connection. */
  function inOrder({ fault }: Pair, then: () => void): void {
    if (fault.kind === 'slow') after(fault.delayMs, then)
    else then()
  }

  function toClient(pair: Pair, chunk: Buffer): void {
    const { client, fault } = pair
    if (fault.kind === 'slow') inOrder(pair, () => client.write(lastOfConnection(chunk)))
    else if (fault.kind !== 'cut') client.write(chunk)
    else {
      const part = chunk.subarray(0, pair.bytesLeft)
      pair.bytesLeft -= part.length
      if (pair.bytesLeft > 0) client.write(part)
      else if (part.length > 0) client.write(part, () => reset(pair))
      else reset(pair)
    }
  }

  const listener = createServer(client => {
    const pair: Pair = { client, server: connect(target), fault: none, bytesLeft: 0 }
    pairs.add(pair)
    const { server } = pair
    client.on('data', chunk => toServer(pair, chunk))
    server.on('data', chunk => toClient(pair, rewritten(chunk)))
    client.on('end', () => server.end())
    server.on('end', () => inOrder(pair, () => client.end()))
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => inOrder(pair, () => other.destroySoon()))
    }
    client.on('close', () => pairs.delete(pair))
    if (fault.kind === 'silent') for (const socket of [client, server]) socket.pause()
  })

  async function listen(port: number): Promise<void> {
    listener.listen(port, '127.0.0.1')
    await once(listener, 'listening')
  }
  await listen(0)
  const { port } = listener.address() as AddressInfo

  async function close(): Promise<void> {
    if (!listener.listening) return
    const closed = once(listener, 'close')
    listener.close()
    for (const pair of pairs) reset(pair)
    await closed
  }

  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async suffer(next, times = Number.POSITIVE_INFINITY) {
      fault = next
      timesLeft = times
      count = 0
      if (fault.kind === 'refused') return close()
      if (!listener.listening) await listen(port)
      for (const { client, server } of pairs)
        for (const socket of [client, server])
          if (fault.kind === 'silent') socket.pause()
          else socket.resume()
    },
    struck: () => count,
    strikes: () => new Promise(resolve => waiting.push(resolve)),
    stop: close,
  }
}

/** The server keeps a connection for less time than a slow answer takes: the client must not use it again. */
function lastOfConnection(answer: Buffer): Buffer {
  const text = answer.toString('latin1')
  return Buffer.from(text.replace('Connection: keep-alive', 'Connection: close'), 'latin1')
}

/** How an insert of ours begins. */
export const inserts = /^POST \/\?\S*INSERT/

export function insertsInto(table: string): RegExp {
  return new RegExp(`^POST /\\?\\S*INSERT(\\+|%20)INTO(\\+|%20)${table}\\b`)
}

/** What ClickHouse's HTTP interface answers when it refuses, as a whole. */
export function exceptionAnswer(code: number, name: string, status = 500): string {
  const text = `Code: ${code}. DB::Exception: The test says so. (${name})\n`
  const head = [
    `HTTP/1.1 ${status} Refused`,
    'Content-Type: text/plain; charset=UTF-8',
    `X-ClickHouse-Exception-Code: ${code}`,
    `Content-Length: ${text.length}`,
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${text}`
}
