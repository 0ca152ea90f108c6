/**
 * Operating errors: what can go wrong outside Ebb. Each has a code, a sentence for a person, and what
 * happens next. A bug is not one of these: what it strikes begins anew with what is stored, a partition by itself
 * (log/reopening.ts), whatever else with the process.
 */

/** `next` stands behind the message where a command ends with it: what a service does next it says itself. */
const errorTable = {
  offsetGone: { retriable: false, next: 'Ebb goes no further there; it never jumps over records.' },
  topicMissing: { retriable: false, next: 'Create the topic, or check the name.' },
  topicMismatch: { retriable: false, next: 'Ebb goes no further there, and changes nothing.' },
  logFull: {
    retriable: true,
    next: 'The command has ended: make room, and give it again.',
  },
  logBusy: { retriable: true, next: 'The command has ended: give it again a little later.' },
  logUnreachable: {
    retriable: true,
    next: 'The command has ended: give it again when Kafka answers.',
  },
  logRejected: { retriable: false, next: 'The broker would refuse the same again.' },
  batchUnreadable: {
    retriable: false,
    next: 'Ebb goes no further there; it never jumps over records.',
  },
  partitionLost: {
    retriable: false,
    next: 'Another process has it; what was gathered is dropped.',
  },
  logClosed: { retriable: true, next: 'Ebb is stopping; try again when it runs.' },
  directoryLocked: { retriable: false, next: 'Stop the other Ebb, or choose another --data.' },
  directoryUnusable: {
    retriable: false,
    next: 'Make it writable for this user, or choose another --data.',
  },
  wrongProject: { retriable: false, next: 'Nothing was changed.' },
  portTaken: { retriable: false, next: 'Choose another port, or stop what listens there.' },
  processorAway: {
    retriable: true,
    next: 'What was written is kept, and counts as soon as a processor runs: ebb processor.',
  },
  claimLost: {
    retriable: false,
    next: 'What was begun stands: see ebb doctor, and give the command again where it is still needed.',
  },
  storeRefused: {
    retriable: true,
    next: 'The command has ended: give it again when ClickHouse answers.',
  },
  storeRejected: {
    retriable: false,
    next: 'The same would fail again until somebody mends the cause.',
  },
  secretKeyMissing: { retriable: false, next: 'Put the key file back, or remove the endpoints.' },
  secretKeyWrong: { retriable: false, next: 'Put back the key file that belongs to these tables.' },
  badInput: { retriable: false, next: 'Nothing was changed.' },
  importEnded: { retriable: false, next: 'What it had appended before stands.' },
} as const

export type ErrorCode = keyof typeof errorTable

export class EbbError extends Error {
  readonly code: ErrorCode
  /** `message` is a whole sentence that says what happened and why. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EbbError'
    this.code = code
  }
  get retriable(): boolean {
    return errorTable[this.code].retriable
  }
  get next(): string {
    return errorTable[this.code].next
  }
}

/**
 * Whether a service that must leave nothing out tries again: what fails passes, or somebody mends it while the service
 * runs, as a table that is gone or a right that is missing.
 */
export function isWaitedFor(error: unknown): error is EbbError {
  return error instanceof EbbError && (error.retriable || error.code === 'storeRejected')
}

/** Anything but an operating error: nobody can mend it while Ebb runs. */
export function isBug(error: Error): boolean {
  return !(error instanceof EbbError)
}

/** What must hold, in production too. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

export class AssertionError extends Error {
  constructor(message: string) {
    super(`This is a bug in Ebb: ${message}`)
    this.name = 'AssertionError'
  }
}
