/**
 * Each record of a log against the tables: received = accepted + late + aside + duplicate + quarantined + dead,
 * record by record, found by comparing blocks of them.
 */
import { decodeRecord } from '../log/codec.ts'
import { notTaken } from './erased.ts'
import { blockSize, type RecordKind, type Refold, recordKinds } from './refold.ts'
import { type AuditSource, type Finding, note } from './source.ts'

interface BlockRow {
  readonly block: string
  readonly kind: RecordKind
  readonly count: string
  readonly total: string
}

/** What the tables say of the log's records, one row each. A late click whose copy was accepted is in rejects alone. */
function foundQuery(refold: Refold, source: AuditSource, horizonMs: number): string {
  const { partition, startOffset, nextOffset } = refold
  const place = `epoch = ${source.epoch} AND partition = ${partition} AND offset >= ${startOffset} AND offset < ${nextOffset}`
  const kept = Number.isFinite(horizonMs) ? horizonMs : 0
  return `
    SELECT offset, 'accepted' AS kind FROM clicks FINAL
    WHERE ${place} AND verdict = 'accepted' AND toUnixTimestamp64Milli(timestamp) >= ${kept}
    UNION ALL
    SELECT offset, toString(kind) AS kind FROM rejects FINAL
    WHERE source = 'log' AND \`index\` = 0 AND ${place}
      AND ifNull(toUnixTimestamp64Milli(timestamp) >= ${kept}, true)`
}

export async function compareRecords(
  source: AuditSource,
  refold: Refold,
  horizonMs: number,
  finding: Finding,
): Promise<void> {
  const found = foundQuery(refold, source, horizonMs)
  const rows = await source.store.query<BlockRow>(
    `SELECT intDiv(offset, ${blockSize}) AS block, kind, count() AS count, sum(offset) AS total
     FROM (${found}) GROUP BY block, kind`,
  )
  const blocks = new Map<number, BlockRow[]>()
  for (const row of rows) {
    const number = Number(row.block)
    const of = blocks.get(number) ?? []
    of.push(row)
    blocks.set(number, of)
  }
  for (const number of new Set([...blocks.keys(), ...refold.blocks.keys()])) {
    const kinds = refold.blocks.get(number) ?? new Uint8Array(blockSize)
    const sums = sumsOf(kinds, number)
    for (const { count } of sums.values()) finding.checked += count
    if (!sameSums(sums, blocks.get(number) ?? [], refold.isWhole))
      await compareBlock(source, refold, number, found, finding)
  }
}

type Sums = Map<string, { count: number; total: number }>

function sumsOf(kinds: Uint8Array, block: number): Sums {
  const sums: Sums = new Map()
  for (const [at, kind] of kinds.entries()) {
    if (kind === 0) continue
    const name = recordKinds[kind]!
    const sum = sums.get(name) ?? { count: 0, total: 0 }
    sum.count++
    sum.total += block * blockSize + at
    sums.set(name, sum)
  }
  return sums
}

function sameSums(sums: Sums, rows: readonly BlockRow[], isWhole: boolean): boolean {
  const found: Sums = new Map()
  for (const row of rows) {
    const name = isWhole ? row.kind : 'received'
    const sum = found.get(name) ?? { count: 0, total: 0 }
    sum.count += Number(row.count)
    sum.total += Number(row.total)
    found.set(name, sum)
  }
  if (found.size !== sums.size) return false
  for (const [name, { count, total }] of sums) {
    const other = found.get(name)
    if (other?.count !== count || other.total !== total) return false
  }
  return true
}

async function compareBlock(
  source: AuditSource,
  refold: Refold,
  number: number,
  found: string,
  finding: Finding,
): Promise<void> {
  const first = number * blockSize
  const rows = await source.store.query<{ offset: string; kinds: string[] }>(
    `SELECT offset, groupArray(kind) AS kinds FROM (${found})
     WHERE offset >= ${first} AND offset < ${first + blockSize} GROUP BY offset`,
  )
  const byOffset = new Map(rows.map(row => [Number(row.offset), row.kinds.sort().join(' and ')]))
  const kinds = refold.blocks.get(number)
  const missing: { userId: string; offset: number; where: string; wanted: RecordKind }[] = []
  for (let offset = first; offset < first + blockSize; offset++) {
    const wanted = recordKinds[kinds?.[offset - first] ?? 0]!
    const is = byOffset.get(offset)
    const same = wanted === 'received' ? is !== undefined : (is ?? 'other') === wanted
    if (same) continue
    const { text, userId } = await describe(source, refold, offset)
    const where = `record ${offset} of ${source.topic} partition ${refold.partition}${text}`
    const should = wanted === 'other' ? 'no click' : wanted
    if (is !== undefined) note(finding, { where, is, should })
    // What an erasure took back is in no table, and should not be.
    else if (offset > (refold.erased.get(userId) ?? -1))
      missing.push({ userId, offset, where, wanted })
  }
  for (const { where, wanted: should } of await notTaken(source, missing))
    note(finding, { where, is: 'in no table, though progress says that it is folded', should })
}

async function describe(source: AuditSource, refold: Refold, offset: number) {
  const [stored] = await source.log.read(source.topic, refold.partition, offset, 1)
  const record = stored && decodeRecord(stored.value)
  if (record?.kind !== 'click') return { text: '', userId: '' }
  return { text: `, a click of user ${record.userId}`, userId: record.userId }
}
