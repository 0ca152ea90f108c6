/**
 * One attempt: a signed POST and what came of it. It never rejects, never follows a redirect, ends within
 * `totalTimeoutMs`, and reads no more of an answer than its status and a few headers.
 */
import { Agent, request } from 'undici'
import { after, steadyClock } from '../base/time.ts'
import type { SigningEndpoint } from './endpoints.ts'
import { retryAfterMs } from './schedule.ts'
import { sign } from './signature.ts'

/** So much of an answer's body is read, and thrown away, to keep the connection; more ends it. */
const answerBytesMax = 4096
const answerHeaderBytesMax = 16_384
const errorCharactersMax = 80

export interface Answer {
  /** 0: no answer. */
  readonly code: number
  /** Why there is none, as a short code; empty when there is one. */
  readonly error: string
  readonly durationMs: number
  readonly retryAfterMs: number | undefined
}

export interface Attempt {
  readonly endpoint: SigningEndpoint
  readonly messageId: string
  readonly body: string
  /** The signature's time. */
  readonly wallMs: number
}

export interface Sender {
  send(attempt: Attempt): Promise<Answer>
  /** Ends all attempts at once. */
  destroy(): Promise<void>
}

interface Timeouts {
  readonly totalTimeoutMs: number
  readonly connectTimeoutMs: number
}

/** Where requests go out. */
export interface Wire {
  /** Rejects when there is no answer, at the latest when `signal` says stop. */
  post(
    url: string,
    request: {
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      readonly signal: AbortSignal
    },
  ): Promise<{
    readonly statusCode: number
    readonly headers: Readonly<Record<string, string | string[] | undefined>>
    readonly body: { dump(options: { readonly limit: number }): Promise<unknown> }
  }>
  destroy(): Promise<void>
}

function httpWire(timeouts: Timeouts): Wire {
  const agent = new Agent({
    connect: { timeout: timeouts.connectTimeoutMs },
    headersTimeout: timeouts.totalTimeoutMs,
    bodyTimeout: timeouts.totalTimeoutMs,
    maxHeaderSize: answerHeaderBytesMax,
    pipelining: 1,
  })
  return {
    post: (url, { headers, body, signal }) =>
      request(url, { method: 'POST', headers, body, signal, dispatcher: agent }),
    destroy: () => agent.destroy(),
  }
}

/** `wire` is HTTP's, unless the simulator brings its own. */
export function createSender(options: Timeouts, wire: Wire = httpWire(options)): Sender {
  async function send(attempt: Attempt): Promise<Answer> {
    const startMs = steadyClock()
    const controller = new AbortController()
    const cancel = after(options.totalTimeoutMs, () => controller.abort(new TimeoutError()))
    const answer = (code: number, error: string, waitMs?: number): Answer => ({
      code,
      error,
      durationMs: Math.round(steadyClock() - startMs),
      retryAfterMs: waitMs,
    })
    try {
      const response = await wire.post(attempt.endpoint.url, {
        headers: {
          'content-type': 'application/json',
          'user-agent': 'Ebb-Webhooks',
          ...sign({ ...attempt, secret: attempt.endpoint.secret }),
        },
        body: attempt.body,
        signal: controller.signal,
      })
      const result = answer(
        response.statusCode,
        '',
        retryAfterMs(response.headers['retry-after'], attempt.wallMs),
      )
      // The status is the answer: what becomes of the body changes nothing.
      await response.body.dump({ limit: answerBytesMax })
      return result
    } catch (error) {
      return answer(0, errorCode(error))
    } finally {
      cancel()
    }
  }

  return { send, destroy: () => wire.destroy() }
}

class TimeoutError extends Error {
  readonly code = 'TIMEOUT'
}

/** The error's code and never its text, which may repeat what a receiver sent. */
function errorCode(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return String(code ?? name ?? 'unknown').slice(0, errorCharactersMax)
}
