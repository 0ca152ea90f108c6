/** Control records in Avro: rare, so avsc reads all but the one with lists. */
import { frame, frameBytes, unframe } from './avro.ts'
import { fieldFault, timeFault } from './click.ts'
import { begin, finish, readBlockCount, readDouble, readText } from './cursor.ts'
import type { Control } from './record.ts'
import { userIdFault } from './segment.ts'

export const schemaIds = {
  tick: 10,
  rule: 11,
  cutoffs: 12,
  model: 13,
  settings: 14,
  audience: 15,
  erase: 16,
  live: 17,
  seal: 18,
  standing: 20,
  carriedErase: 21,
} as const

type Of<Kind extends Control['kind']> = Extract<Control, { kind: Kind }>

export function frameControl(record: Control): Buffer {
  return frame(schemaIds[record.kind], controlFields(record))
}

function controlFields(record: Control): object {
  switch (record.kind) {
    case 'tick':
      return { at: record.atMs, writer: record.writer }
    case 'live':
    case 'seal':
      return { at: record.atMs }
    case 'audience':
      return { user_id: record.userId, segments: record.segments, scores: record.scores }
    case 'erase':
      return { user_id: record.userId }
    case 'standing':
      return { user_id: record.userId, standing: record.standing }
    case 'carriedErase':
      return { user_id: record.userId, epoch: record.epoch, offset: record.offset }
    default:
      return record // Rule, cutoffs, model and settings are named as their schemas name them.
  }
}

/** The control record, or undefined for an id that has none. Throws on bytes that do not fit the schema. */
export function readControl(value: Buffer, schemaId: number): Control | undefined {
  switch (schemaId) {
    case schemaIds.tick: {
      const { at, writer } = unframe<{ at: number; writer: string }>(schemaId, value)
      return { kind: 'tick', atMs: at, writer }
    }
    case schemaIds.live:
      return { kind: 'live', atMs: unframe<{ at: number }>(schemaId, value).at }
    case schemaIds.seal:
      return { kind: 'seal', atMs: unframe<{ at: number }>(schemaId, value).at }
    case schemaIds.rule:
      return { ...unframe<Of<'rule'>>(schemaId, value), kind: 'rule' }
    case schemaIds.cutoffs:
      return { ...unframe<Of<'cutoffs'>>(schemaId, value), kind: 'cutoffs' }
    case schemaIds.model:
      return { ...unframe<Of<'model'>>(schemaId, value), kind: 'model' }
    case schemaIds.settings:
      return { ...unframe<Of<'settings'>>(schemaId, value), kind: 'settings' }
    case schemaIds.erase:
      return { kind: 'erase', userId: unframe<{ user_id: string }>(schemaId, value).user_id }
    case schemaIds.standing: {
      const fields = unframe<{ user_id: string; standing: string }>(schemaId, value)
      return { kind: 'standing', userId: fields.user_id, standing: fields.standing }
    }
    case schemaIds.carriedErase: {
      const { user_id, ...place } = unframe<{ user_id: string; epoch: number; offset: number }>(
        schemaId,
        value,
      )
      return { kind: 'carriedErase', userId: user_id, ...place }
    }
    case schemaIds.audience:
      return readAudience(value)
    default:
      return undefined
  }
}

function readAudience(value: Buffer): Control {
  begin(value, frameBytes)
  const userId = readText()
  const segments: string[] = []
  for (let count = readBlockCount(); count > 0; count = readBlockCount())
    for (; count > 0; count--) segments.push(readText())
  const scores: [string, number][] = []
  for (let count = readBlockCount(); count > 0; count = readBlockCount())
    for (; count > 0; count--) scores.push([readText(), readDouble()])
  finish()
  // fromEntries defines what an assignment would swallow: a key named __proto__.
  return { kind: 'audience', userId, segments, scores: Object.fromEntries(scores) }
}

/** What breaks the promises of a control record, as a sentence; undefined for a good one. */
export function controlFault(record: Control): string | undefined {
  switch (record.kind) {
    case 'tick':
    case 'live':
    case 'seal':
      return fieldFault('at', timeFault(record.atMs))
    case 'cutoffs':
      return finiteFault([record.high, record.keep])
    case 'model':
      return finiteFault([record.r, record.alpha, record.a, record.b])
    case 'audience':
      return (
        fieldFault('user_id', userIdFault(record.userId)) ??
        finiteFault(Object.values(record.scores))
      )
    case 'erase':
    case 'carriedErase':
    case 'standing':
      return fieldFault('user_id', userIdFault(record.userId))
    case 'rule':
    case 'settings':
      return undefined // Their JSON is judged where it is understood.
  }
}

function finiteFault(numbers: readonly number[]): string | undefined {
  return numbers.every(Number.isFinite) ? undefined : 'numbers must be finite'
}
