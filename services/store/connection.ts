/**
 * One connection to the engine in this process. The engine runs one query per connection at a time and
 * holds a thread for each that waits, so the queue is here: at most one query is with the engine.
 * What is SET stays for the connection's life; nothing is ever set for one query alone.
 */

import { type ChdbConnection, createChdbConnection } from 'chdb/connection'
import { assert, EbbError } from '../base/errors.ts'
import { storeError } from './failure.ts'
import { paramText, quoted } from './rows.ts'
import type { Params } from './store.ts'

export type EngineSettings = Readonly<Record<string, string | number>>

export interface EngineConnection {
  query<Row>(sql: string, params?: Params): Promise<Row[]>
  command(sql: string, params?: Params): Promise<void>
  /** Lines of JSONEachRow, one block as long as the connection's settings allow. */
  insertLines(table: string, lines: Buffer): Promise<void>
  /** The result in any format of ClickHouse, in pieces as they are made. Leaving the loop cancels it. */
  stream(sql: string, format: string): AsyncGenerator<Uint8Array>
  /** Waits for what runs; what comes later is refused. */
  close(): Promise<void>
}

export async function openConnection(
  directory: string,
  settings: EngineSettings,
  database?: string,
): Promise<EngineConnection> {
  const engine = createChdbConnection({ path: directory })
  const connection = connectionOf(engine)
  try {
    const pairs = Object.entries(settings)
    const text = pairs.map(([name, value]) => `${name} = ${quoted(String(value))}`).join(', ')
    // `USE` first: a read-only connection could not any more.
    if (database !== undefined) await connection.command(`USE ${quotedName(database)}`)
    if (pairs.length > 0) await connection.command(`SET ${text}`)
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

export function quotedName(name: string): string {
  assert(/^[A-Za-z_]\w*$/.test(name), `${name} is no name for a database`)
  return `\`${name}\``
}

function connectionOf(engine: ChdbConnection): EngineConnection {
  const bind = binder(sql => engine.chdb.queryAsync(sql))
  let closed = false
  let last: Promise<unknown> = Promise.resolve()

  function inTurn<Result>(doing: string, task: () => Promise<Result>): Promise<Result> {
    if (closed) return Promise.reject(new EbbError('storeRefused', 'The store is closed.'))
    const turn = last.then(task).catch(error => {
      throw storeError(error, doing)
    })
    last = Promise.allSettled([turn])
    return turn
  }

  return {
    query: <Row>(sql: string, params?: Params) =>
      inTurn('a query', async () => {
        await bind(sql, params)
        const result = await engine.chdb.queryAsync(sql, { format: 'JSONEachRow' })
        return parseLines<Row>(result.text())
      }),
    command: (sql, params) =>
      inTurn('a command', async () => {
        await bind(sql, params)
        await engine.chdb.queryAsync(sql)
      }),
    insertLines: (table, lines) =>
      inTurn(`rows of ${table}`, async () => {
        await engine.chdb.rawInsert({ table, format: 'JSONEachRow', values: lines })
      }),
    async *stream(sql, format) {
      const turn = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      inTurn('a query', () => {
        begun.resolve()
        return turn.promise
      }).catch(begun.reject)
      await begun.promise
      try {
        for await (const chunk of engine.chdb.queryStream(sql, { format })) yield chunk.raw()
      } catch (error) {
        throw storeError(error, 'a query')
      } finally {
        turn.resolve()
      }
    },
    async close() {
      closed = true
      await last
      await engine.close()
    },
  }
}

function parseLines<Row>(text: string): Row[] {
  const lines = text.split('\n').filter(line => line !== '')
  return lines.map(line => JSON.parse(line) as Row)
}

/**
 * Parameters by SET param_x, which is the connection's own. chdb's binding of parameters is not: there
 * the parameters of all connections go through one queue. A parameter stays set, so a query that names
 * one without giving it would read another query's value: that is refused here.
 */
function binder(run: (sql: string) => Promise<unknown>) {
  const held = new Set<string>()
  return async (sql: string, params: Params = {}) => {
    for (const [, name] of sql.matchAll(/\{\s*(\w+)\s*:/g))
      assert(!held.has(name!) || name! in params, `a query names {${name}} and does not give it`)
    const pairs = Object.entries(params)
    if (pairs.length === 0) return
    for (const [name] of pairs) assert(/^\w+$/.test(name), `${name} is no name for a parameter`)
    const text = pairs.map(([name, value]) => `param_${name} = ${quoted(paramText(value))}`)
    for (const [name] of pairs) held.add(name)
    await run(`SET ${text.join(', ')}`)
  }
}
