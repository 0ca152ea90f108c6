/** Commands to a running Ebb over its local socket: a JSON object a line, answered in order of completion. */
import { chmodSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { AssertionError, EbbError, type ErrorCode } from '../base/errors.ts'

/** Named calls with one JSON value in and one out. */
export type Calls = Readonly<Record<string, (input: never) => Promise<unknown>>>

interface Request {
  readonly id: number
  readonly call: string
  readonly input: unknown
}

type Answer =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number
      readonly error: { readonly code: ErrorCode | null; readonly message: string }
    }

/** Splits a stream into lines. */
function onLines(socket: Socket, line: (text: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    rest += text
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      line(rest.slice(0, end))
      rest = rest.slice(end + 1)
    }
  })
}

async function answerTo(calls: Calls, text: string): Promise<Answer> {
  const { id, call, input } = JSON.parse(text) as Request
  try {
    const handler = Object.hasOwn(calls, call) ? calls[call] : undefined
    if (!handler) throw new EbbError('badInput', `This Ebb knows no call ${call}: is it older?`)
    return { id, result: (await handler(input as never)) ?? null }
  } catch (error) {
    const code = error instanceof EbbError ? error.code : null
    return { id, error: { code, message: (error as Error).message } }
  }
}

/** Serves the calls to this user of this machine until closed. */
export async function serveCalls(path: string, calls: Calls): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A caller that went away has seen all it wanted.
    socket.on('error', () => socket.destroy())
    onLines(socket, text => {
      answerTo(calls, text).then(
        answer => socket.write(`${JSON.stringify(answer)}\n`),
        // No request of ours: whoever speaks another language here is shown out, and harms nobody.
        () => socket.destroy(),
      )
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return () =>
    new Promise(resolve => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
}

export interface Caller<C extends Calls> {
  readonly calls: C
  close(): void
}

function errorOf(error: { code: ErrorCode | null; message: string }): Error {
  return error.code ? new EbbError(error.code, error.message) : new AssertionError(error.message)
}

/** The calls of the Ebb that answers on this socket. */
export function openCaller<C extends Calls>(path: string): Caller<C> {
  const waiting = new Map<number, { done(result: unknown): void; fail(error: Error): void }>()
  const socket = connect(path)
  let lastId = 0
  let left = false
  const farewell = () => new EbbError('logClosed', 'The running Ebb has gone away.')
  const gone = () => {
    left = true
    for (const { fail } of waiting.values()) fail(farewell())
    waiting.clear()
  }
  socket.on('close', gone)
  socket.on('error', gone)
  onLines(socket, text => {
    const answer = JSON.parse(text) as Answer
    const caller = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('error' in answer) caller?.fail(errorOf(answer.error))
    else caller?.done(answer.result)
  })
  const calls = new Proxy(
    {},
    {
      get: (_target, call: string) => (input: unknown) =>
        new Promise((done, fail) => {
          if (left) return fail(farewell())
          const id = ++lastId
          waiting.set(id, { done, fail })
          socket.write(`${JSON.stringify({ id, call, input: input ?? null })}\n`)
        }),
    },
  )
  return { calls: calls as C, close: () => socket.destroy() }
}
