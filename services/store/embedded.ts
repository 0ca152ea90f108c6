/**
 * ClickHouse in this process (chdb): the whole engine, its tables in one directory, no server. One
 * process at a time opens a directory, and one directory at a time is open in a process.
 */

import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EbbError } from '../base/errors.ts'
import {
  type EngineConnection,
  type EngineSettings,
  openConnection,
  quotedName,
} from './connection.ts'
import { failureOf } from './failure.ts'
import { arraysOf, paramTexts } from './rows.ts'
import { maintenance, reading, writing } from './settings.ts'
import type { Params, Store } from './store.ts'

export interface EmbeddedStore extends Store {
  readonly database: string
  /** A connection beside the store's own, with settings of its own, for who must not wait for them. */
  connect(settings: EngineSettings, inDatabase?: string): Promise<EngineConnection>
  /** The store of another database of the directory, made where it is missing. To be closed before this one. */
  openBeside(otherDatabase: string): Promise<Store>
}

export async function openEmbeddedStore(options: {
  readonly directory: string
  readonly database: string
}): Promise<EmbeddedStore> {
  const { directory, database } = options
  mkdirSync(directory, { recursive: true })
  const first = await openConnection(directory, maintenance).catch(error => {
    throw openFailure(error, directory)
  })
  const open: EngineConnection[] = [first]
  const connect = async (settings: EngineSettings) => {
    const connection = await openConnection(directory, settings, database)
    open.push(connection)
    return connection
  }
  try {
    await prepare(first, database)
    const [maintainer, writer, reader] = [first, await connect(writing), await connect(reading)]
    await maintainer.command(`USE ${quotedName(database)}`)
    return {
      database,
      connect: (settings, inDatabase = database) => openConnection(directory, settings, inDatabase),
      async openBeside(other) {
        await maintainer.command(
          `CREATE DATABASE IF NOT EXISTS ${quotedName(other)} ENGINE = Atomic`,
        )
        const [maintaining, inserting, asking] = [
          await openConnection(directory, maintenance, other),
          await openConnection(directory, writing, other),
          await openConnection(directory, reading, other),
        ]
        return storeOn(maintaining, inserting, asking)
      },
      ...storeOn(maintainer, writer, reader),
    }
  } catch (error) {
    await Promise.all(open.map(connection => connection.close()))
    throw error
  }
}

function storeOn(
  maintainer: EngineConnection,
  writer: EngineConnection,
  reader: EngineConnection,
): Store {
  return {
    query: (sql, params) => reader.query(sql, params),
    async scan(sql, params = {}) {
      const { bytes } = await reader.result(sql, 'RowBinary', paramTexts(params))
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    },
    insert: (table, rows) => insertRows(writer, table, rows),
    command: (sql: string, params?: Params) => maintainer.command(sql, params),
    close: async () => {
      await Promise.all([maintainer, writer, reader].map(connection => connection.close()))
    },
  }
}

/**
 * The engine's own `default` shows every file of this machine as a table, to be read or at least to be
 * seen. So an empty one stands in its place; it comes back at each start.
 */
async function prepare(connection: EngineConnection, database: string): Promise<void> {
  await connection.command(`CREATE DATABASE IF NOT EXISTS ${quotedName(database)} ENGINE = Atomic`)
  const [foreign] = await connection.query<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = 'default' LIMIT 1",
  )
  if (foreign)
    throw new EbbError(
      'storeRejected',
      `The directory holds a table default.${foreign.name} that is not Ebb's: choose another --data.`,
    )
  await connection.command('DROP DATABASE IF EXISTS default')
  await connection.command('CREATE DATABASE default ENGINE = Memory')
}

async function insertRows(
  writer: EngineConnection,
  table: string,
  rows: readonly object[],
): Promise<void> {
  if (rows.length === 0) return
  const arrays = arraysOf(rows)
  const texts = (arrays?.values ?? rows).map(row => JSON.stringify(row))
  const lines = Buffer.from(texts.join('\n'))
  await writer.insertLines({ table, columns: arrays?.columns, lines })
}

function openFailure(error: unknown, directory: string): EbbError {
  const { message } = failureOf(error)
  const options = { cause: error }
  if (/one active data directory/.test(message))
    return new EbbError(
      'directoryLocked',
      `This process has another store open than ${directory}.`,
      options,
    )
  const owner = ownerOf(directory)
  if (owner !== undefined)
    return new EbbError(
      'directoryLocked',
      `The store in ${directory} is open in process ${owner}.`,
      options,
    )
  return new EbbError('storeRefused', `ClickHouse cannot open ${directory}: ${message}`, options)
}

/** The living process that says in `status` that the directory is its own. The engine gives no reason. */
function ownerOf(directory: string): number | undefined {
  const file = join(directory, 'status')
  const owner = existsSync(file) ? Number(/^PID: (\d+)/.exec(readFileSync(file, 'utf8'))?.[1]) : 0
  if (!(owner > 0)) return undefined
  try {
    process.kill(owner, 0)
    return owner
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM' ? owner : undefined
  }
}
