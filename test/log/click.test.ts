/** The hand-written reader of clicks against avsc, which is the reference. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { avroType, frame, frameBytes } from '../../services/log/avro.ts'
import {
  clickFault,
  clickFields,
  clickSchemaId,
  clickSchemaIdJudged,
  clickSchemaIdOld,
  frameClick,
  readClick,
} from '../../services/log/click.ts'
import { type Click, timeMsMax } from '../../services/log/record.ts'
import { anyClick, click as oneClick } from './records.ts'

const reader = avroType(clickSchemaId)
const resolver = reader.createResolver(avroType(clickSchemaIdOld))

/** What avsc reads, as schema 2 names it; throws on bytes that are no click. */
function avscFields(value: Buffer, schemaId: number): object {
  const body = value.subarray(frameBytes)
  const fields =
    schemaId === clickSchemaId ? reader.fromBuffer(body) : reader.fromBuffer(body, resolver)
  return { ...fields }
}

const schemaIds = fc.constantFrom(clickSchemaIdOld, clickSchemaId)

test('a random click of either schema reads as avsc reads it', () => {
  fc.assert(
    fc.property(anyClick, schemaIds, (click, schemaId) => {
      const value = frame(schemaId, clickFields(click))
      const read = readClick(value, schemaId)
      assert.deepEqual(clickFields(read), avscFields(value, schemaId))
      const old: Partial<Click> = { imported: false, context: '' }
      assert.deepEqual(read, schemaId === clickSchemaId ? click : { ...click, ...old })
    }),
    { numRuns: 1000 },
  )
})

test('a click that was judged before keeps its clock, and reads as avsc reads it', () => {
  fc.assert(
    fc.property(anyClick, fc.integer({ min: 0, max: timeMsMax }), (click, judgedMs) => {
      const value = frameClick({ ...click, judgedMs })
      const { clock, ...fields } = avroType(clickSchemaIdJudged).fromBuffer(
        value.subarray(frameBytes),
      )
      const read = readClick(value, clickSchemaIdJudged)
      assert.deepEqual(read, { ...click, judgedMs })
      assert.deepEqual([clickFields(read), read.judgedMs], [fields, clock])
    }),
  )
  const late = { ...oneClick, judgedMs: timeMsMax + 1 }
  assert.equal(clickFault(late), 'clock: must be from 1970 to 2100')
})

/** A click's bytes, cut, or with some bytes changed, or with some behind. */
const damaged = fc
  .record({
    click: anyClick,
    schemaId: schemaIds,
    cut: fc.double({ min: 0, max: 1, noNaN: true }),
    changes: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
    behind: fc.uint8Array({ maxLength: 2 }),
    how: fc.constantFrom('cut', 'changed', 'longer'),
  })
  .map(({ click, schemaId, cut, changes, behind, how }) => {
    const whole = frame(schemaId, clickFields(click))
    const body = whole.length - frameBytes
    if (how === 'cut')
      return { schemaId, value: whole.subarray(0, frameBytes + Math.floor(cut * body)) }
    if (how === 'longer') return { schemaId, value: Buffer.concat([whole, behind]) }
    for (const [place, byte] of changes) whole[frameBytes + (place % body)] = byte
    return { schemaId, value: whole }
  })

function fieldsOrNull(read: () => object): object | null {
  try {
    return read()
  } catch {
    return null
  }
}

test('damaged bytes are refused as avsc refuses them, or read as avsc reads them', () => {
  fc.assert(
    fc.property(damaged, ({ value, schemaId }) => {
      assert.deepEqual(
        fieldsOrNull(() => clickFields(readClick(value, schemaId))),
        fieldsOrNull(() => avscFields(value, schemaId)),
      )
    }),
    { numRuns: 3000 },
  )
})

test('the bytes behind the record in a larger buffer are not read', () => {
  fc.assert(
    fc.property(anyClick, fc.nat(), (click, cut) => {
      const whole = frame(clickSchemaId, clickFields(click))
      const shorter = frameBytes + (cut % (whole.length - frameBytes))
      const around = Buffer.concat([Buffer.alloc(7, 255), whole, Buffer.alloc(99)])
      assert.deepEqual(readClick(around.subarray(7, 7 + whole.length), clickSchemaId), click)
      assert.throws(() => readClick(around.subarray(7, 7 + shorter), clickSchemaId), RangeError)
    }),
  )
})

/** A click of schema 1 for user `u`, from the hexadecimal of its name, timestamp and stamp on; nulls after. */
function oldClick(fromName: string): Buffer {
  return Buffer.from(`0000000001${'00'}${'0275'}${'00'}${'00'}${fromName}${'00'.repeat(6)}`, 'hex')
}

test('a long is read over its whole range, and refused beyond it', () => {
  const longs: readonly [string, number | null][] = [
    ['01', -1],
    ['feffffff0f', 2 ** 31 - 1],
    ['ffffffff0f', -(2 ** 31)],
    ['fcffffffffffff1f', 2 ** 53 - 2],
    ['feffffffffffff1f', null], // 2^53 - 1: avsc stops one before.
    ['ffffffffffffffffff01', null], // -2^63
    ['8080808080808080808000', null], // Eleven bytes.
  ]
  for (const [hex, long] of longs) {
    const value = oldClick(`00${hex}00`)
    const read = fieldsOrNull(() => readClick(value, clickSchemaIdOld)) as Click | null
    assert.equal(read?.timestampMs ?? null, long, hex)
  }
})

test('a text of negative length is refused', () => {
  // Going back by one, it would be read again as the time, and all would fit.
  assert.throws(() => readClick(oldClick('0100'), clickSchemaIdOld), RangeError)
})
