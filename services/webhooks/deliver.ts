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

export function createSender(options: {
  readonly totalTimeoutMs: number
  readonly connectTimeoutMs: number
}): Sender {
  const agent = new Agent({
    connect: { timeout: options.connectTimeoutMs },
    headersTimeout: options.totalTimeoutMs,
    bodyTimeout: options.totalTimeoutMs,
    maxHeaderSize: answerHeaderBytesMax,
    pipelining: 1,
  })

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
      const response = await request(attempt.endpoint.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'Ebb-Webhooks',
          ...sign({ ...attempt, secret: attempt.endpoint.secret }),
        },
        body: attempt.body,
        dispatcher: agent,
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

  return { send, destroy: () => agent.destroy() }
}

class TimeoutError extends Error {
  readonly code = 'TIMEOUT'
}

/** The error's code and never its text, which may repeat what a receiver sent. */
function errorCode(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return String(code ?? name ?? 'unknown').slice(0, errorCharactersMax)
}
