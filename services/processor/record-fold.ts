/** One stored record through the fold, its effects gathered as rows. */
import type { LogRecord } from '../log/log.ts'
import { type Current, deadRow, gatherEffects } from './batch.ts'
import { fold, resume } from './fold/fold.ts'
import type { Folded } from './folded.ts'
import { readInput } from './input.ts'
import type { Place } from './rows.ts'

/** At most this many effects of mere time between two looks at the event loop and the flush. */
const dueMax = 5_000

export interface RecordFold {
  /** False when more is due at this record than one slice: then `resume` until it is true. */
  fold(stored: LogRecord): boolean
  resume(): boolean
}

export function createRecordFold(folded: Folded, place: Place, sliceMax = dueMax): RecordFold {
  const { state } = folded
  const current: Current = {
    stored: { offset: -1, appendMs: 0, key: null, value: null },
    messageId: '',
  }
  const effects = gatherEffects(folded, place, current)
  return {
    fold(stored) {
      current.stored = stored
      const placeId = `${place.epoch}:${place.partition}:${stored.offset}`
      const input = readInput(stored, state.settings.skewMs, placeId)
      if ('reason' in input) {
        folded.batch.rejects.push(deadRow(state, place, current, input))
        return true
      }
      const { record, position } = input
      const named = record.kind === 'click' && record.eventId !== ''
      current.messageId = named ? record.eventId : placeId
      return fold(state, record, position, effects, sliceMax)
    },
    resume: () => resume(state, effects, sliceMax),
  }
}
