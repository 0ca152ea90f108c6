/**
 * The tables of schemas/clickhouse, applied in the order of their numbers and recorded in `migrations`.
 * A file is recorded after its last statement, so a crash in between runs it again: every statement can
 * be repeated (IF NOT EXISTS, OR REPLACE), which a test of the files says.
 */

import { hash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { EbbError } from '../base/errors.ts'
import type { Store } from './store.ts'

const shippedFolder = new URL('../../schemas/clickhouse/', import.meta.url)

export interface Migration {
  readonly number: number
  readonly name: string
  readonly sha256: string
  readonly statements: readonly string[]
}

/** Brings the store's tables up to date and returns the names of the files that it ran. */
export async function migrate(store: Store, folder: URL = shippedFolder): Promise<string[]> {
  await store.command(`CREATE TABLE IF NOT EXISTS migrations
    (number UInt32, name String, sha256 FixedString(64), at DateTime64(3, 'UTC') DEFAULT now64(3))
    ENGINE = ReplacingMergeTree(at) ORDER BY number`)
  const migrations = await readMigrations(folder)
  const rows = await readApplied(store)
  for (const row of rows) {
    const fault = appliedFault(row, migrations)
    if (fault) throw new EbbError('storeRejected', fault)
  }
  const applied = new Set(rows.map(row => row.number))
  const missing = migrations.filter(migration => !applied.has(migration.number))
  for (const { number, name, sha256, statements } of missing) {
    for (const statement of statements) await store.command(statement)
    await store.insert('migrations', [{ number, name, sha256 }])
  }
  return missing.map(migration => migration.name)
}

/** How the store's tables differ from those of this Ebb, as sentences; changes nothing. */
export async function migrationFaults(
  store: Store,
  folder: URL = shippedFolder,
): Promise<string[]> {
  const migrations = await readMigrations(folder)
  const rows = await readApplied(store)
  const applied = new Set(rows.map(row => row.number))
  const missing = migrations.filter(({ number }) => !applied.has(number)).map(({ name }) => name)
  const faults = rows.flatMap(row => appliedFault(row, migrations) ?? [])
  if (missing.length > 0)
    faults.push(
      `The store lacks ${missing.join(', ')}: it is older than this Ebb; stop the processors and start those of this version.`,
    )
  return faults
}

interface Applied {
  readonly number: number
  readonly name: string
  readonly sha256: string
}

function readApplied(store: Store): Promise<Applied[]> {
  return store.query<Applied>('SELECT number, name, sha256 FROM migrations FINAL ORDER BY number')
}

/** The files NNN_name.sql of a folder, by number. */
export async function readMigrations(folder: URL = shippedFolder): Promise<Migration[]> {
  const names = (await readdir(folder)).filter(name => /^\d{3}_\w+\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async name => {
      const text = await readFile(new URL(name, folder), 'utf8')
      const sha256 = hash('sha256', text)
      return { number: Number(name.slice(0, 3)), name, sha256, statements: statementsOf(text) }
    }),
  )
}

/** A statement ends with `;` at the end of a line; lines that are comments are left out. */
function statementsOf(text: string): string[] {
  const lines = text.split('\n').filter(line => !line.startsWith('--'))
  const parts = lines.join('\n').split(/;[ \t]*$/m)
  return parts.map(part => part.trim()).filter(part => part !== '')
}

function appliedFault(row: Applied, migrations: readonly Migration[]): string | undefined {
  const migration = migrations.find(({ number }) => number === row.number)
  if (!migration)
    return `The store has migration ${row.name}, which this Ebb does not know: it is older than the store.`
  if (migration.sha256 !== row.sha256)
    return `Migration ${migration.name} was changed after it was applied: put it back, and add a new file.`
  return undefined
}
