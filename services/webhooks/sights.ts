/** Alert records to be sent, each message at its first sight: a log may hold a message many times. */
import { hash } from 'node:crypto'
import { decodeAlert, decodeErasure } from '../log/codec.ts'
import type { LogRecord } from '../log/log.ts'
import type { AlertRecord } from '../log/record.ts'
import type { Logger } from './deliveries.ts'

/** Of so many messages the body's hash is held, to notice when an id comes with another body. */
const bodiesMax = 10_000

export interface Counts {
  /** Records whose message was on the log before. */
  duplicates: number
  /** Those of them with another body than the first: the first one is kept. */
  changedBodies: number
  /** Records that are no alert. */
  dead: number
}

export interface Sight {
  readonly alert: AlertRecord
  readonly offset: number
}

/** Of one partition, where all records of a message are. `isOpen`: it has deliveries that have not ended. */
export function createSights(options: {
  readonly counts: Counts
  readonly logger: Logger
  readonly partition: number
  isOpen(alert: AlertRecord): boolean
}): (batch: readonly LogRecord[]) => Sight[] {
  const { counts, logger, partition } = options
  const bodies = new Map<string, string>()

  function isFirst(alert: AlertRecord): boolean {
    const { messageId, body } = alert
    const bodyHash = hash('sha256', body, 'base64url')
    const held = bodies.get(messageId)
    if (held === undefined && !options.isOpen(alert)) {
      const [oldest] = bodies.size >= bodiesMax ? bodies.keys() : []
      if (oldest !== undefined) bodies.delete(oldest)
      bodies.set(messageId, bodyHash)
      return true
    }
    counts.duplicates++
    if (held !== undefined && held !== bodyHash) {
      counts.changedBodies++
      logger.warn({ message: messageId }, 'A message came with another body: the first stays.')
    }
    return false
  }

  return batch => {
    const sights: Sight[] = []
    for (const { offset, value } of batch) {
      if (decodeErasure(value) !== undefined) continue
      const alert = decodeAlert(value)
      if ('kind' in alert) {
        counts.dead++
        logger.warn(
          { partition, offset, reason: alert.reason },
          'A record of the alerts topic is no alert.',
        )
      } else if (alert.send && isFirst(alert)) sights.push({ alert, offset })
    }
    return sights
  }
}
