/** The ClickHouse port of one life. */
import { EbbError } from '../../../services/base/errors.ts'
import { readTime } from '../../../services/store/rows.ts'
import type { Columns, ScannedRow } from '../../../services/store/scan.ts'
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
    scan: async (sql, columns, params = {}) => {
      const rows = await calls.read(life, 'scan', fates.query(life), () =>
        answerQuery(tables, sql, params),
      )
      return scanned(rows, columns)
    },
    close: async () => {},
  }
}

/** A result as `scan` gives it, from one as `query` does. */
function scanned<Of extends Columns>(rows: readonly Row[], columns: Of): ScannedRow<Of>[] {
  const read = {
    text: String,
    integer: Number,
    small: Number,
    time: (value: unknown) => readTime(String(value)),
  }
  const types = Object.entries(columns)
  return rows.map(
    row =>
      Object.fromEntries(
        types.map(([name, type]) => [name, read[type](row[name])]),
      ) as ScannedRow<Of>,
  )
}

/** Answers at once, for operators and for the oracle: it takes no part in the faults. */
export function directStore(tables: Tables): Store {
  return {
    query: async <Answer>(sql: string, params = {}) =>
      answerQuery(tables, sql, params) as unknown as Answer[],
    insert: async (table, rows) => tables.insert(table, rows as Row[]),
    command: async (sql, params = {}) => runCommand(tables, sql, params),
    scan: async (sql, columns, params = {}) => scanned(answerQuery(tables, sql, params), columns),
    close: async () => {},
  }
}
