/**
 * What ClickHouse holds in the simulation: of each identity the row that FINAL would show. An insert is one block: all
 * of it or nothing. Of rows with equal versions the one inserted last stays, as a merge would have it.
 */
import { EbbError } from '../../../services/base/errors.ts'
import { readSchemas, type TableSchema } from './schema.ts'

export type Row = Readonly<Record<string, unknown>>

export interface Tables {
  insert(table: string, rows: readonly Row[]): void
  /** Rows as FINAL shows them, in the order of their first insert. */
  rows(table: string): Row[]
  /** ALTER TABLE ... DELETE WHERE. */
  remove(table: string, isGone: (row: Row) => boolean): void
  /** All as it is now, to be put back by calling it. */
  backup(): () => void
  /** Called after each insert that was applied. */
  onInsert: (table: string, rows: readonly Row[]) => void
}

const schemas = readSchemas()

export function createTables(): Tables {
  const held = new Map<string, Map<string, Row>>()
  for (const name of schemas.keys()) held.set(name, new Map())

  const tables: Tables = {
    insert(name, rows) {
      const schema = schemas.get(name)
      if (!schema) throw new EbbError('storeRejected', `There is no table ${name}.`)
      for (const row of rows) checkRow(schema, row)
      const table = held.get(name)!
      for (const row of rows) put(schema, table, row)
      tables.onInsert(name, rows)
    },
    rows(name) {
      const { deleted } = schemas.get(name)!
      const rows = [...held.get(name)!.values()]
      return deleted === '' ? rows : rows.filter(row => row[deleted] !== 1)
    },
    remove(name, isGone) {
      const table = held.get(name)!
      for (const [key, row] of table) if (isGone(row)) table.delete(key)
    },
    backup() {
      const copies = [...held].map(([name, rows]) => [name, new Map(rows)] as const)
      return () => {
        for (const [name, rows] of copies) held.set(name, new Map(rows))
      }
    },
    onInsert: () => {},
  }
  return tables
}

function checkRow({ name, columns }: TableSchema, row: Row): void {
  for (const column of Object.keys(row))
    if (!columns.has(column))
      throw new EbbError('storeRejected', `Table ${name} has no column ${column}.`)
}

function put(schema: TableSchema, table: Map<string, Row>, row: Row): void {
  if (!schema.replaces) {
    table.set(String(table.size), row)
    return
  }
  let key = ''
  for (const column of schema.identity) key += `${row[column]}\u0000`
  const before = table.get(key)
  const { version } = schema
  if (before && version !== '' && isHigher(before[version], row[version])) return
  table.set(key, row)
}

/** Integers of 64 bits, beyond what a number holds as text. */
function isHigher(one: unknown, other: unknown): boolean {
  if (typeof one === 'number' && typeof other === 'number') return one > other
  return BigInt(String(one)) > BigInt(String(other))
}
