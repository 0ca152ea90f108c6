/**
 * One connection to the engine in this process. The engine runs one query per connection at a time and
 * holds a thread for each that waits, so the queue is here: at most one query is with the engine.
 * What is SET stays for the connection's life; nothing is ever set for one query alone.
 */

import type { ChdbConnection } from 'chdb/connection'
import { assert, EbbError } from '../base/errors.ts'
import { exception, storeError } from './failure.ts'
import { paramTexts, quoted } from './rows.ts'
import type { Params } from './store.ts'

export type EngineSettings = Readonly<Record<string, string | number>>

/** Parameters as the text that ClickHouse reads: see `paramTexts`. */
export type ParamTexts = Readonly<Record<string, string>>

/** Rows as text: JSONCompactEachRow with the values of these columns; without them JSONEachRow. */
export interface Lines {
  readonly table: string
  readonly columns: readonly string[] | undefined
  readonly lines: Buffer
}

export interface EngineResult {
  readonly bytes: Uint8Array
  readonly rowsRead: number
  readonly bytesRead: number
  readonly elapsedSeconds: number
}

export interface EngineConnection {
  query<Row>(sql: string, params?: Params): Promise<Row[]>
  command(sql: string, params?: Params): Promise<void>
  /** One block, as long as the connection's settings allow. */
  insertLines(rows: Lines): Promise<void>
  /** The whole result in any format of ClickHouse. */
  result(sql: string, format: string, texts?: ParamTexts): Promise<EngineResult>
  /**
   * A SELECT's result, block by block as the engine makes it. Each block is written for itself: only for
   * formats without a head and a foot. Leaving the loop cancels the query.
   */
  stream(sql: string, format: string, texts?: ParamTexts): AsyncGenerator<Uint8Array>
  /** Waits for what runs; what comes later is refused. */
  close(): Promise<void>
}

export async function openConnection(
  directory: string,
  settings: EngineSettings,
  database?: string,
): Promise<EngineConnection> {
  // Here and not above: services on servers run from an image that has no engine.
  const { createChdbConnection } = await import('chdb/connection')
  const connection = connectionOf(createChdbConnection({ path: directory }))
  try {
    const pairs = Object.entries(settings)
    const text = pairs.map(([name, value]) => `${name} = ${quoted(String(value))}`).join(', ')
    // `USE` first: a read-only connection should not need to.
    if (database !== undefined) await connection.command(`USE ${quotedName(database)}`)
    if (pairs.length > 0) await connection.command(`SET ${text}`)
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

export function quotedName(name: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name))
    throw new EbbError('badInput', `${name} is no name for a database: letters, digits and _ only.`)
  return `\`${name}\``
}

function connectionOf(engine: ChdbConnection): EngineConnection {
  const { chdb } = engine
  const bind = binder(sql => chdb.queryAsync(sql))
  let closed = false
  /** A query failed, and what it left is not swept away yet. */
  let littered = false
  let last: Promise<unknown> = Promise.resolve()

  function inTurn<Result>(doing: string, task: () => Promise<Result>): Promise<Result> {
    if (closed) return Promise.reject(new EbbError('storeRefused', 'The store is closed.'))
    const answer = last.then(sweep).then(task)
    const swept = answer.catch(async error => {
      littered = true
      await Promise.allSettled([sweep()])
      throw storeError(error, doing)
    })
    last = Promise.allSettled([swept])
    return swept
  }

  /**
   * A query that failed stays with the engine, with its memory, and what it had written comes out in
   * front of the next result of this connection, be it another person's. A query without output of its
   * own lets it out: at once, or before the next query if that fails too.
   */
  async function sweep(): Promise<void> {
    while (littered)
      littered = (await chdb.queryAsync('SELECT 1', { format: 'Null' })).bytes().length > 0
  }

  function run(doing: string, sql: string, format: string, texts: ParamTexts) {
    return inTurn(doing, async () => {
      await bind(sql, texts)
      return chdb.queryAsync(sql, { format })
    })
  }

  return {
    query: async <Row>(sql: string, params: Params = {}) => {
      const result = await run('a query', sql, 'JSONEachRow', paramTexts(params))
      const lines = result.text().split('\n')
      return lines.filter(line => line !== '').map(line => JSON.parse(line) as Row)
    },
    command: async (sql, params = {}) => {
      await run('a command', sql, 'Null', paramTexts(params))
    },
    insertLines: ({ table, columns, lines }) =>
      inTurn(`rows of ${table}`, async () => {
        const compact = columns && { columns: [...columns], format: 'JSONCompactEachRow' as const }
        await chdb.rawInsert({ table, format: 'JSONEachRow', ...compact, values: lines })
      }),
    result: async (sql, format, texts = {}) => {
      const result = await run('a query', sql, format, texts)
      const { rowsRead, bytesRead, elapsed: elapsedSeconds } = result
      return { bytes: result.bytes(), rowsRead, bytesRead, elapsedSeconds }
    },
    async *stream(sql, format, texts = {}) {
      const begun = Promise.withResolvers<void>()
      const ended = Promise.withResolvers<void>()
      // The turn lasts until the loop over this generator is left.
      inTurn('a query', async () => {
        await bind(sql, texts)
        begun.resolve()
        await ended.promise
      }).catch(begun.reject)
      await begun.promise
      try {
        for await (const chunk of chdb.queryStream(sql, { format })) yield chunk.raw()
        ended.resolve()
      } catch (error) {
        throw storeError(error, 'a query')
      } finally {
        // Failed or left early, it has to be swept away; after `resolve` this does nothing.
        ended.reject(new EbbError('storeRefused', 'The result was not read to its end.'))
      }
    },
    async close() {
      closed = true
      await last
      await engine.close()
    },
  }
}

/**
 * Parameters by SET param_x, which is the connection's own. chdb's binding of parameters is not: there
 * the parameters of all connections go through one queue. A parameter stays set, so a query that names
 * one without giving it would read another query's value: that is refused here.
 */
function binder(run: (sql: string) => Promise<unknown>) {
  const held = new Set<string>()
  return async (sql: string, texts: ParamTexts) => {
    for (const [, name] of sql.matchAll(/\{\s*(\w+)\s*:/g))
      if (held.has(name!) && !(name! in texts))
        // In the words of the engine, which would say so if the parameter had never been set.
        throw exception(456, 'UNKNOWN_QUERY_PARAMETER', `Substitution \`${name}\` is not set.`)
    const pairs = Object.entries(texts)
    if (pairs.length === 0) return
    for (const [name] of pairs) assert(/^\w+$/.test(name), `${name} is no name for a parameter`)
    for (const [name] of pairs) held.add(name)
    await run(`SET ${pairs.map(([name, text]) => `param_${name} = ${quoted(text)}`).join(', ')}`)
  }
}
