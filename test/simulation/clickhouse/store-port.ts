/** The ClickHouse port of one life. */
import { EbbError } from '../../../services/base/errors.ts'
import { readTime } from '../../../services/store/rows.ts'
import type { Store } from '../../../services/store/store.ts'
import type { Calls, Fate } from '../calls.ts'
import type { Life } from '../scheduler.ts'
import { runCommand } from './commands.ts'
import { answerQuery } from './queries.ts'
import type { Row, Tables } from './tables.ts'

/** How the world treats what a life asks of ClickHouse. */
export interface StoreFates {
  write(life: Life, table: string): Fate
  query(life: Life): Fate
}

export interface StoreWorld {
  readonly calls: Calls
  readonly tables: Tables
  readonly fates: StoreFates
}

export function refusedByStore(why: string): EbbError {
  return new EbbError('storeRefused', `ClickHouse refused the simulation: ${why}`)
}

export function openStorePort({ calls, tables, fates }: StoreWorld, life: Life): Store {
  return {
    query: async <Answer>(sql: string, params = {}) =>
      (await calls.read(life, 'query', fates.query(life), () =>
        answerQuery(tables, sql, params),
      )) as Answer[],
    async insert(table, rows) {
      if (rows.length === 0) return
      const label = `insert ${rows.length} into ${table}`
      await calls.call(life, label, fates.write(life, table), () =>
        tables.insert(table, rows as Row[]),
      )
    },
    command: (sql, params = {}) =>
      calls.call(life, 'command', fates.write(life, 'command'), () =>
        runCommand(tables, sql, params),
      ),
    scan: async (sql, params = {}) => {
      const rows = await calls.read(life, 'scan', fates.query(life), () =>
        answerQuery(tables, sql, params),
      )
      return rowBinary(rows)
    },
    close: async () => {},
  }
}

/** A result as `scan` gives it, from one as `query` does. */
function rowBinary(rows: readonly Row[]): Buffer {
  return Buffer.concat(
    rows.flatMap(row => Object.entries(row).map(([name, value]) => binaryOf(name, value))),
  )
}

/** Of the columns that are scanned: the times and numbers among them, all others being texts. */
function binaryOf(name: string, value: unknown): Buffer {
  const bytes = Buffer.alloc(name === 'epoch' ? 2 : 8)
  if (name === 'epoch') bytes.writeUInt16LE(Number(value))
  else if (name === 'timestamp') bytes.writeBigUInt64LE(BigInt(readTime(String(value))))
  else if (name === 'version' || name === 'offset') bytes.writeBigUInt64LE(BigInt(String(value)))
  else return textOf(Buffer.from(String(value)))
  return bytes
}

/** A text behind its length as a LEB128. */
function textOf(text: Buffer): Buffer {
  const length: number[] = []
  let left = text.length
  for (; left > 0x7f; left = Math.floor(left / 128)) length.push((left % 128) + 128)
  return Buffer.concat([Buffer.from([...length, left]), text])
}

/** Answers at once, for operators and for the oracle: it takes no part in the faults. */
export function directStore(tables: Tables): Store {
  return {
    query: async <Answer>(sql: string, params = {}) =>
      answerQuery(tables, sql, params) as unknown as Answer[],
    insert: async (table, rows) => tables.insert(table, rows as Row[]),
    command: async (sql, params = {}) => runCommand(tables, sql, params),
    scan: async (sql, params = {}) => rowBinary(answerQuery(tables, sql, params)),
    close: async () => {},
  }
}
