import { type Logger, pino } from 'pino'
import { EbbError } from './errors.ts'

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** JSON lines on standard error, which stays free of results. EBB_LOG_LEVEL: warn unless set. */
export function createLogger(): Logger {
  const level = process.env.EBB_LOG_LEVEL || 'warn'
  if (!levels.includes(level))
    throw new EbbError(
      'badInput',
      `EBB_LOG_LEVEL is ${level}; it must be one of ${levels.join(', ')}.`,
    )
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }))
}

interface Line {
  readonly msg: string
  readonly err?: { readonly message: string }
}

/** Of a command: what a service would log is a sentence among its own, unless EBB_LOG_LEVEL asks for the log. */
export function createSpokenLogger(tell: (sentence: string) => void): Logger {
  if (process.env.EBB_LOG_LEVEL) return createLogger()
  const write = (line: string) => {
    const { msg, err } = JSON.parse(line) as Line
    const sentence = msg.charAt(0).toUpperCase() + msg.slice(1).replace(/\.$/, '')
    tell(err ? `${sentence}: ${err.message}` : `${sentence}.`)
  }
  return pino({ level: 'warn', base: null }, { write })
}
