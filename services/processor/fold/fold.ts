/**
 * The fold of one partition: (state, record) -> state + effects. Pure: no clock, no chance, no I/O; the same
 * records give the same effects on every machine. A record moves the clock first, then all that is now due
 * happens, then the record itself is folded, then what it made due happens.
 */
import { assert } from '../../base/errors.ts'
import type { Click } from '../../log/record.ts'
import { foldClick } from './click.ts'
import { moveClock, noteImports } from './clock.ts'
import { applyControl, type FoldControl } from './control.ts'
import { collectDue, drain } from './due.ts'
import type { Effects } from './effects.ts'
import { thaw } from './snapshot.ts'
import type { PartitionState, Position } from './state.ts'

const quarantineAgeMs = 90 * 86_400_000

/**
 * Folds one record. Returns false when more than `limit` effects of mere time were due: then call `resume`
 * until it returns true before the next record, so that a herd of timers is worked off in slices.
 */
export function fold(
  state: PartitionState,
  record: Click | FoldControl,
  position: Position,
  effects: Effects,
  limit: number,
): boolean {
  assert(state.queue.length === 0, 'a record is folded only when the one before is finished')
  state.offset = position.offset
  if (state.thawing.length > 0) thaw(state)
  if (record.kind === 'click' && quarantined(state, record, position, effects)) return true
  const historic = state.imports === 'running'
  noteImports(state, record)
  moveClock(state, position.clockMs, historic)
  collectDue(state)
  if (!drain(state, effects, limit)) {
    state.waiting = { record, position }
    return false
  }
  return finish(state, record, position, effects, limit)
}

/** Goes on with a record for which `fold` returned false; true when it is finished. */
export function resume(state: PartitionState, effects: Effects, limit: number): boolean {
  if (!drain(state, effects, limit)) return false
  const { waiting } = state
  if (!waiting) return true
  state.waiting = null
  return finish(state, waiting.record, waiting.position, effects, limit)
}

function finish(
  state: PartitionState,
  record: Click | FoldControl,
  position: Position,
  effects: Effects,
  limit: number,
): boolean {
  if (record.kind === 'click') foldClick(state, record, position.fallbackId, effects)
  else applyControl(state, record, effects)
  collectDue(state)
  return state.queue.length === 0 || drain(state, effects, limit)
}

/** Rule 8: a click stamped later than its arrival allows moves no clock and no session. */
function quarantined(
  state: PartitionState,
  click: Click,
  position: Position,
  effects: Effects,
): boolean {
  const { arrivalMs } = position
  if (click.timestampMs > arrivalMs + state.settings.skewMs) {
    effects.quarantined(click, 'future')
    return true
  }
  if (!position.refusesPast || click.imported) return false
  if (!(click.timestampMs < arrivalMs - quarantineAgeMs)) return false
  effects.quarantined(click, 'past')
  return true
}
