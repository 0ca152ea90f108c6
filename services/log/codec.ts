/**
 * Bytes on the log to records and back. Decoding never throws and never hangs, whatever the bytes: what
 * is no record is Dead, with a reason for counting:
 *
 *   null     a tombstone
 *   avro     no frame, or a body that is cut, too long or nonsense
 *   schema   a schema id that stands for no record of this topic
 *   invalid  well-formed, but it breaks a promise of record.ts
 *   json     it begins with `{` and is no JSON; where it is, parseSegment's own reasons
 *
 * Encoding asserts the same promises: what we write we can read.
 */
import { assert } from '../base/errors.ts'
import { frame, frameBytes, unframe } from './avro.ts'
import {
  clickFault,
  clickSchemaId,
  clickSchemaIdJudged,
  clickSchemaIdOld,
  fieldFault,
  frameClick,
  readClick,
  timeFault,
} from './click.ts'
import { controlFault, frameControl, readControl, schemaIds } from './control.ts'
import type { AlertRecord, Click, ClicksRecord, Dead, Erasure } from './record.ts'
import { parseSegment, userIdFault } from './segment.ts'

const alertSchemaId = 31
/** Without the place in the clicks. */
const alertSchemaIdOld = 30
const erasureSchemaId = 32
const braceByte = 0x7b

export function encodeRecord(record: ClicksRecord): Buffer {
  const fault = recordFault(record)
  assert(fault === undefined, `a ${record.kind} keeps its promises when written: ${fault}`)
  if (record.kind !== 'click') return frameControl(record)
  assert(record.receivedAtMs !== null, 'a click on the log carries its writer’s stamp')
  return frameClick(record)
}

export function decodeRecord(value: Buffer | null): ClicksRecord | Dead {
  if (value === null) return dead('null', 'The record has no value.')
  if (value[0] === braceByte) return decodeJson(value)
  if (!isFramed(value)) return dead('avro', noFrame)
  const schemaId = value.readInt32BE(1)
  let record: ClicksRecord | undefined
  try {
    record =
      schemaId === clickSchemaId ||
      schemaId === clickSchemaIdOld ||
      schemaId === clickSchemaIdJudged
        ? readClick(value, schemaId)
        : readControl(value, schemaId)
  } catch (error) {
    return dead('avro', `Schema id ${schemaId}: ${sentence(error)}`)
  }
  if (record === undefined) return dead('schema', noRecord(schemaId))
  const fault = recordFault(record)
  return fault === undefined ? record : dead('invalid', fault)
}

/** Throws on a record that breaks its promises; the body is the caller's, byte for byte. */
export function encodeAlert(alert: AlertRecord): Buffer {
  const fault = alertFault(alert)
  assert(fault === undefined, `an alert keeps its promises when written: ${fault}`)
  return frame(alertSchemaId, {
    message_id: alert.messageId,
    alert_id: alert.alertId,
    rule_id: alert.ruleId,
    rule_version: alert.ruleVersion,
    user_id: alert.userId,
    status: alert.status,
    since: alert.sinceMs,
    due: alert.dueMs,
    threshold_ms: alert.thresholdMs,
    max_age_ms: alert.maxAgeMs,
    clock: alert.clockMs,
    send: alert.send,
    body: alert.body,
    epoch: alert.epoch,
    offset: alert.offset,
  })
}

export function decodeAlert(value: Buffer | null): AlertRecord | Dead {
  if (value === null) return dead('null', 'The record has no value.')
  if (!isFramed(value)) return dead('avro', noFrame)
  const schemaId = value.readInt32BE(1)
  if (schemaId !== alertSchemaId && schemaId !== alertSchemaIdOld)
    return dead('schema', noRecord(schemaId))
  let alert: AlertRecord
  try {
    alert = readAlert(value, schemaId)
  } catch (error) {
    return dead('avro', `Schema id ${schemaId}: ${sentence(error)}`)
  }
  const fault = alertFault(alert)
  return fault === undefined ? alert : dead('invalid', fault)
}

export function encodeErasure(erasure: Erasure): Buffer {
  const { userId, epoch, partition, offset } = erasure
  return frame(erasureSchemaId, { user_id: userId, epoch, partition, offset })
}

/** What an Erase of before places were told stands for: all that comes before it on the alerts topic. */
const noPlace = { epoch: 65_535, partition: 65_535, offset: 2 ** 40 - 1 }

/** A record of the alerts topic that ends what goes to a user; undefined for any other record. */
export function decodeErasure(value: Buffer | null): Erasure | undefined {
  if (value === null || !isFramed(value)) return undefined
  const schemaId = value.readInt32BE(1)
  if (schemaId !== erasureSchemaId && schemaId !== schemaIds.erase) return undefined
  try {
    const { user_id: userId, ...place } = unframe<ErasureFields>(schemaId, value)
    return { ...noPlace, ...place, userId }
  } catch {
    // No record at all, which `decodeAlert` says.
    return undefined
  }
}

/** Whether a record of the clicks is an Erase, by what it says it is. */
export function isErase(value: Buffer | null): boolean {
  if (value === null || !isFramed(value)) return false
  const schemaId = value.readInt32BE(1)
  return schemaId === schemaIds.erase || schemaId === schemaIds.carriedErase
}

interface ErasureFields extends Partial<Omit<Erasure, 'userId'>> {
  user_id: string
}

interface AlertFields {
  message_id: string
  alert_id: string
  rule_id: string
  rule_version: number
  user_id: string
  status: AlertRecord['status']
  since: number
  due: number
  threshold_ms: number
  max_age_ms: number
  clock: number
  send: boolean
  body: string
  epoch?: number
  offset?: number
}

function readAlert(value: Buffer, schemaId: number): AlertRecord {
  const fields = unframe<AlertFields>(schemaId, value)
  return {
    messageId: fields.message_id,
    alertId: fields.alert_id,
    ruleId: fields.rule_id,
    ruleVersion: fields.rule_version,
    userId: fields.user_id,
    status: fields.status,
    sinceMs: fields.since,
    dueMs: fields.due,
    thresholdMs: fields.threshold_ms,
    maxAgeMs: fields.max_age_ms,
    clockMs: fields.clock,
    send: fields.send,
    body: fields.body,
    epoch: fields.epoch ?? 0,
    offset: fields.offset ?? 0,
  }
}

/** `due` may lie beyond the last time that is taken: a silence that will never be told. */
function alertFault(alert: AlertRecord): string | undefined {
  return (
    fieldFault('user_id', userIdFault(alert.userId)) ??
    fieldFault('since', timeFault(alert.sinceMs)) ??
    fieldFault('clock', timeFault(alert.clockMs))
  )
}

function recordFault(record: ClicksRecord): string | undefined {
  return record.kind === 'click' ? clickFault(record) : controlFault(record)
}

function decodeJson(value: Buffer): Click | Dead {
  let event: unknown
  try {
    event = JSON.parse(value.toString('utf8'))
  } catch {
    // The parser's own sentence quotes the event, and sentences get logged.
    return dead('json', 'It begins with a brace and is no JSON.')
  }
  try {
    return parseSegment(event)
  } catch (error) {
    // Nested deeper than the stack: parsing took it, writing the properties again does not.
    return dead('json', sentence(error))
  }
}

function isFramed(value: Buffer): boolean {
  return value[0] === 0 && value.length >= frameBytes
}

const noFrame = 'It begins neither with byte 0 and a schema id nor with a brace.'

function noRecord(schemaId: number): string {
  return `Schema id ${schemaId} stands for no record of this topic.`
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function dead(reason: string, detail: string): Dead {
  return { kind: 'dead', reason, detail }
}
