/**
 * `ebb log dump`: a partition of the clicks topic as lines for `ebb pipe --clock log`, which then gives what
 * the processor gave: every line carries the time that the record counts with.
 */

import { decodeRecord } from '../log/codec.ts'
import type { Log } from '../log/log.ts'
import type { Click } from '../log/record.ts'
import { revisionKey } from './fold/control.ts'
import { moneyKind } from './fold/money.ts'
import { changeSettings, defaultSettings } from './fold/settings.ts'
import { type Input, readInput } from './input.ts'

export interface DumpCount {
  lines: number
  /** Records that are none (see the table rejects): the pipe could not take them. */
  dead: number
}

const readBytes = 1024 * 1024

/** The records that stand there when the dump begins, as lines. */
export async function* dumpPartition(
  log: Pick<Log, 'bounds' | 'read'>,
  topic: string,
  partition: number,
  epoch: number,
  count: DumpCount,
): AsyncGenerator<string> {
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  const revisions = new Map<string, number>()
  let settings = defaultSettings
  for (let offset = startOffset; offset < endOffset; ) {
    const records = await log.read(topic, partition, offset, readBytes)
    if (records.length === 0) return
    for (const stored of records) {
      offset = stored.offset + 1
      if (stored.offset >= endOffset) return
      const placeId = `${epoch}:${partition}:${stored.offset}`
      const input = readInput(stored, settings.skewMs, placeId)
      if ('reason' in input) {
        count.dead++
        continue
      }
      if (!isNews(input, revisions)) continue
      if (input.record.kind === 'settings') {
        const changed = changeSettings(settings, input.record.values)
        if (typeof changed !== 'string') settings = changed
      }
      const line = lineOf(input, stored.value!)
      if (line === undefined) continue
      count.lines++
      yield line
    }
  }
}

/** False for the repeats of a broadcast, which the fold passes over and the pipe could not tell. */
function isNews(input: Input, revisions: Map<string, number>): boolean {
  const { record } = input
  if (record.kind === 'click' || !('revision' in record)) return true
  const key = revisionKey(record)!
  if (record.revision <= (revisions.get(key) ?? Number.NEGATIVE_INFINITY)) return false
  revisions.set(key, record.revision)
  return true
}

function lineOf(input: Input, value: Buffer): string | undefined {
  const { record, position } = input
  if (record.kind === 'click') return clickLine(record, position.fallbackId, position.arrivalMs)
  if (record.kind === 'tick' || record.kind === 'live')
    return JSON.stringify({ [record.kind]: position.clockMs })
  const control = decodeRecord(value)
  switch (control.kind) {
    case 'rule':
      return JSON.stringify({ rule: JSON.parse(control.rule) })
    case 'settings':
      return JSON.stringify({ settings: JSON.parse(control.settings) })
    case 'standing': {
      const standing = { userId: control.userId, ...JSON.parse(control.standing) }
      return JSON.stringify({ standing })
    }
    case 'carriedErase':
      return JSON.stringify({ erase: { userId: control.userId } })
    case 'cutoffs':
    case 'model':
    case 'audience':
    case 'erase': {
      const { kind, ...rest } = control
      if ('revision' in rest) {
        const { revision, ...values } = rest
        return JSON.stringify({ [kind]: values })
      }
      return JSON.stringify({ [kind]: rest })
    }
    default:
      return undefined
  }
}

/** A click as the pipe reads it; what the processor took from `value` and `order_id` stands in properties. */
function clickLine(click: Click, fallbackId: string, logTimeMs: number): string {
  return JSON.stringify({
    userId: click.userId,
    timestamp: click.timestampMs,
    messageId: click.eventId === '' ? fallbackId : click.eventId,
    receivedAt: click.receivedAtMs ?? undefined,
    logTime: logTimeMs,
    type: click.type,
    event: click.name === '' ? undefined : click.name,
    properties: propertiesOf(click),
    imported: click.imported || undefined,
    judged: click.judgedMs,
  })
}

function propertiesOf(click: Click): Record<string, unknown> | undefined {
  let properties: Record<string, unknown> | undefined
  try {
    properties = click.properties === '' ? undefined : JSON.parse(click.properties)
  } catch {
    // Another team's writer put something else there: the fold does not read it either.
  }
  if (click.type !== 'track' || !moneyKind(click.name)) return properties
  const { revenue, total, value, order_id, transaction_id, ...rest } = properties ?? {}
  return {
    ...rest,
    ...(click.value === null ? {} : { revenue: click.value }),
    ...(click.orderId === null ? {} : { order_id: click.orderId }),
  }
}
