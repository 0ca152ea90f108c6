/** The partition's clock and late bound, and whether imports hold the timers. */
import type { Click } from '../../log/record.ts'
import type { FoldControl } from './control.ts'
import { guardClock } from './guard.ts'
import type { PartitionState } from './state.ts'

/**
 * From the first imported click until they are over, for good, imports let sessions close but no timer fire. A click
 * that is judged again is one of them.
 */
export function noteImports(state: PartitionState, record: Click | FoldControl): void {
  if (record.kind === 'live') state.imports = 'over'
  else if (record.kind === 'click' && (record.imported || record.judgedMs !== undefined)) {
    if (state.imports === 'none') state.imports = 'running'
  } else if (state.imports === 'running' && (record.kind === 'click' || record.kind === 'tick'))
    state.imports = 'over'
}

/**
 * NaN moves nothing. `historic`: imports were running up to this record; their times lie as far apart as they
 * please, and so does the first moment after them, so that none of it is a hole.
 */
export function moveClock(state: PartitionState, clockMs: number, historic: boolean): void {
  if (!(clockMs > state.clockMs)) return
  const beforeMs = historic ? Number.NEGATIVE_INFINITY : state.clockMs
  guardClock(state.guard, beforeMs, clockMs, state.settings.latenessMs)
  state.clockMs = clockMs
  raiseBound(state)
}

/** L = clock - disorder - lateness, but it never goes back. */
export function raiseBound(state: PartitionState): void {
  const { disorderMs, latenessMs } = state.settings
  state.boundMs = Math.max(state.boundMs, state.clockMs - disorderMs - latenessMs)
}
