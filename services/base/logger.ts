import { type Logger, pino } from 'pino'

/** JSON lines on standard error, which stays free of results. EBB_LOG_LEVEL: warn unless set. */
export function createLogger(): Logger {
  const level = process.env.EBB_LOG_LEVEL ?? 'warn'
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }))
}
