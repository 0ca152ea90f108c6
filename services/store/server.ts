/** A ClickHouse server over HTTP. Settings travel with each request, so nothing leaks between them. */

import { buffer } from 'node:stream/consumers'
import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { EbbError } from '../base/errors.ts'
import { quotedName } from './connection.ts'
import { storeError } from './failure.ts'
import { joinInserts } from './joined.ts'
import { arraysOf } from './rows.ts'
import { maintenance, reading, writing } from './settings.ts'
import type { Params, Store } from './store.ts'

const connectionsMax = 16
/** How much longer we wait than the server lets a query run, so that it is the server who says no. */
const graceMs = 30_000

export async function openServerStore(options: {
  readonly url: string
  readonly database: string
  readonly user?: string
  readonly password?: string
}): Promise<Store> {
  await createDatabase(options)
  const client = clientOf(options, options.database, writing.max_execution_time)
  const maintainer = clientOf(options, options.database, maintenance.max_execution_time)
  let closed = false

  async function ask<Result>(doing: string, task: () => Promise<Result>): Promise<Result> {
    if (closed) throw new EbbError('storeRefused', 'The store is closed.')
    return task().catch(error => {
      throw storeError(error, doing)
    })
  }

  return {
    query: <Row>(sql: string, params: Params = {}) =>
      ask('a query', async () => {
        const request = { query: sql, format: 'JSONEachRow', clickhouse_settings: reading } as const
        const result = await client.query({ ...request, query_params: params })
        return result.json<Row>()
      }),
    scan: (sql, params = {}) =>
      ask('a query', async () => {
        // What is no JSON tells a failure in its middle only by its status, which then has to wait.
        const settings = { ...reading, wait_end_of_query: 1 } as const
        const request = { query: `${sql} FORMAT RowBinary`, clickhouse_settings: settings }
        const { stream } = await client.exec({ ...request, query_params: params })
        return await buffer(stream)
      }),
    insert: joinInserts((table, rows) =>
      ask(`rows of ${table}`, async () => {
        if (rows.length === 0) return
        const request = { table, clickhouse_settings: writing }
        const arrays = arraysOf(rows)
        if (arrays) await client.insert({ ...request, ...arrays, format: 'JSONCompactEachRow' })
        else await client.insert({ ...request, values: rows, format: 'JSONEachRow' })
      }),
    ),
    command: (sql, params = {}) =>
      ask('a command', async () => {
        const request = { query: sql, clickhouse_settings: maintenance }
        await maintainer.command({ ...request, query_params: params })
      }),
    close: async () => {
      closed = true
      await Promise.all([client.close(), maintainer.close()])
    },
  }
}

type Address = { readonly url: string; readonly user?: string; readonly password?: string }

function clientOf(address: Address, database: string | undefined, executionSecondsMax: number) {
  const { url, user = 'default', password = '' } = address
  return createClient({
    url,
    username: user,
    password,
    application: 'ebb',
    // It would print whole requests; what went wrong is in the error.
    log: { level: ClickHouseLogLevel.OFF },
    ...(database === undefined ? {} : { database }),
    max_open_connections: connectionsMax,
    request_timeout: executionSecondsMax * 1000 + graceMs,
  })
}

/** By a client of its own: a request that names a database which is not there yet is refused. */
async function createDatabase(options: Address & { readonly database: string }): Promise<void> {
  const client = clientOf(options, undefined, reading.max_execution_time)
  const name = quotedName(options.database)
  try {
    const query = `CREATE DATABASE IF NOT EXISTS ${name} ENGINE = Atomic`
    await client.command({ query, clickhouse_settings: reading })
  } catch (error) {
    throw storeError(error, `the database ${options.database}`)
  } finally {
    await client.close()
  }
}
