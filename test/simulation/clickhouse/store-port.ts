/** The ClickHouse port of one life. */
import { EbbError } from '../../../services/base/errors.ts'
import type { Store } from '../../../services/store/store.ts'
import { type Calls, type Fate, SimulationError } from '../calls.ts'
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
    scan: () => {
      throw new SimulationError('no service of the simulation scans')
    },
    close: async () => {},
  }
}

/** Answers at once, for operators and for the oracle: it takes no part in the faults. */
export function directStore(tables: Tables): Store {
  return {
    query: async <Answer>(sql: string, params = {}) =>
      answerQuery(tables, sql, params) as unknown as Answer[],
    insert: async (table, rows) => tables.insert(table, rows as Row[]),
    command: async (sql, params = {}) => runCommand(tables, sql, params),
    scan: () => {
      throw new SimulationError('no service of the simulation scans')
    },
    close: async () => {},
  }
}
