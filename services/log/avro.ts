/**
 * Avro in Confluent's wire format: byte 0, the schema id as a big-endian int32, the body. The id is the
 * number in the schema's file name.
 */
import { readdirSync, readFileSync } from 'node:fs'
import avsc from 'avsc'
import { assert } from '../base/errors.ts'

export const frameBytes = 5

const directory = new URL('../../schemas/avro/', import.meta.url)

function loadTypes(): Map<number, avsc.Type> {
  const types = new Map<number, avsc.Type>()
  for (const file of readdirSync(directory)) {
    const id = Number(/^(\d+)_\w+\.avsc$/.exec(file)?.[1])
    if (Number.isNaN(id)) continue
    assert(!types.has(id), `two files in schemas/avro have the id ${id}`)
    const schema = JSON.parse(readFileSync(new URL(file, directory), 'utf8'))
    types.set(id, avsc.Type.forSchema(schema, { wrapUnions: 'never' }))
  }
  return types
}

const types = loadTypes()

export function avroType(schemaId: number): avsc.Type {
  const type = types.get(schemaId)
  assert(type, `schemas/avro has no file with the id ${schemaId}`)
  return type
}

/** `fields` must fit the schema: avsc throws otherwise, which is a bug of the caller. */
export function frame(schemaId: number, fields: object): Buffer {
  const body = avroType(schemaId).toBuffer(fields)
  const framed = Buffer.allocUnsafe(frameBytes + body.length)
  framed[0] = 0
  framed.writeInt32BE(schemaId, 1)
  body.copy(framed, frameBytes)
  return framed
}

/**
 * The fields of a framed record; throws on bytes that are cut, too many or nonsense. Only for schemas
 * without arrays and maps (cursor.ts says why).
 */
export function unframe<Fields>(schemaId: number, value: Buffer): Fields {
  return avroType(schemaId).fromBuffer(value.subarray(frameBytes))
}
