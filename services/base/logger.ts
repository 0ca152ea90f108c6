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
