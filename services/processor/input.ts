/** From a record of the log to what the fold takes: what it is, and where it moves the clock. */
import { decodeRecord } from '../log/codec.ts'
import type { LogRecord } from '../log/log.ts'
import type { Click, Control, Dead } from '../log/record.ts'
import { isObject } from '../log/segment.ts'
import type { FoldControl } from './fold/control.ts'
import { parseControl } from './fold/input.ts'
import type { Position } from './fold/state.ts'

export interface Input {
  readonly record: Click | FoldControl
  readonly position: Position
}

const noTime = Number.NaN

/**
 * `skewMs`: the partition's setting at this record. `placeId` names a click that has no id of its own.
 * Never throws: what is no record is Dead.
 */
export function readInput(stored: LogRecord, skewMs: number, placeId: string): Input | Dead {
  const record = decodeRecord(stored.value)
  if (record.kind === 'dead') return record
  const arrivalMs = arrivalOf(record, stored.appendMs, skewMs)
  const position = {
    offset: stored.offset,
    clockMs: arrivalMs,
    arrivalMs,
    refusesPast: record.kind !== 'click' || record.judgedMs === undefined,
    fallbackId: placeId,
  }
  if (record.kind === 'click') return { record, position }
  const control = controlOf(record)
  return 'reason' in control ? control : { record: control, position }
}

/**
 * When a record came in: the earlier of what the log and its writer say, the writer being allowed to be
 * ahead by the skew. So neither a broker nor a collector with a wrong clock alone can move time. An
 * imported click counts with its own time, one that is judged again with the clock it was judged by;
 * control records but Tick and Live with none.
 */
function arrivalOf(record: Click | Control, appendMs: number, skewMs: number): number {
  switch (record.kind) {
    case 'click':
      if (record.judgedMs !== undefined) return record.judgedMs
      if (record.imported) return record.timestampMs
      return record.receivedAtMs === null
        ? appendMs
        : Math.min(appendMs, record.receivedAtMs + skewMs)
    case 'tick':
    case 'live':
      return Math.min(appendMs, record.atMs + skewMs)
    default:
      return noTime
  }
}

function controlOf(record: Control): FoldControl | Dead {
  switch (record.kind) {
    case 'tick':
    case 'live':
    case 'seal':
      return { kind: record.kind }
    case 'rule':
      return parsedControl('rule', parseJson(record.rule), record.revision)
    case 'settings':
      return parsedControl('settings', parseJson(record.settings), record.revision)
    case 'cutoffs':
      return parsedControl('cutoffs', { high: record.high, keep: record.keep }, record.revision)
    case 'model': {
      const { r, alpha, a, b } = record
      return parsedControl('model', { r, alpha, a, b }, record.revision)
    }
    case 'audience': {
      const { userId, segments, scores } = record
      return parsedControl('audience', { userId, segments, scores }, noTime)
    }
    case 'erase':
      return parsedControl('erase', { userId: record.userId }, noTime)
    case 'carriedErase': {
      const { kind, userId, epoch, offset } = record
      return { kind, userId, epoch, revision: offset }
    }
    case 'standing': {
      const standing = parseJson(record.standing)
      if (!isObject(standing))
        return { kind: 'dead', reason: 'control', detail: 'standing: must be an object' }
      return parsedControl('standing', { ...standing, userId: record.userId }, noTime)
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parsedControl(
  key: Parameters<typeof parseControl>[0],
  value: unknown,
  revision: number,
): FoldControl | Dead {
  const parsed = parseControl(key, value, revision)
  return typeof parsed === 'string'
    ? { kind: 'dead', reason: 'control', detail: parsed }
    : parsed.control
}
