/** Why a request is refused as a whole: what the client is told, and whether it should come again. */

const statuses = {
  json: 400,
  shape: 400,
  empty: 400,
  encoding: 400,
  aborted: 400,
  host: 403,
  path: 404,
  size: 413,
  media: 415,
  busy: 503,
  log: 503,
} as const

export type RefusalReason = keyof typeof statuses

/** Trackers wait this long before they send the same again. */
const retryAfterSeconds: Partial<Record<RefusalReason, number>> = { busy: 1, log: 5 }

interface RefusalOptions extends ErrorOptions {
  readonly text?: string
}

export class Refusal extends Error {
  readonly reason: RefusalReason
  /** What came, to be kept in `rejects`; null where nothing of it is worth keeping or it was not read. */
  readonly text: string | null
  /** `message` is a whole sentence. It never quotes what came. */
  constructor(reason: RefusalReason, message: string, options: RefusalOptions = {}) {
    super(message, options)
    this.name = 'Refusal'
    this.reason = reason
    this.text = options.text ?? null
  }
  get status(): number {
    return statuses[this.reason]
  }
  get retryAfterSeconds(): number | undefined {
    return retryAfterSeconds[this.reason]
  }
}
