/** Columns, identity and version of every table, read from schemas/clickhouse: a changed table changes the stand-in. */
import { readdirSync, readFileSync } from 'node:fs'

export interface TableSchema {
  readonly name: string
  /** By name: the type as written. */
  readonly columns: ReadonlyMap<string, string>
  /** Columns of ORDER BY: of rows that agree in them one stays, if the engine replaces. */
  readonly identity: readonly string[]
  readonly replaces: boolean
  /** Of replacing rows the highest stays; empty: the last one. */
  readonly version: string
  /** A row with 1 here is hidden by FINAL; empty: no such column. */
  readonly deleted: string
}

const folder = new URL('../../../schemas/clickhouse/', import.meta.url)
const tablePattern =
  /CREATE TABLE IF NOT EXISTS (\w+)\s*\(\n([\s\S]*?)\n\)\s*ENGINE = (\w+)(?:\(([^)]*)\))?\s*ORDER BY \(?([^)\n]*)/g

/** One to a statement. */
const addedPattern = /^ALTER TABLE (\w+) ADD COLUMN IF NOT EXISTS (\w+) (\w+);$/gm

export function readSchemas(): Map<string, TableSchema> {
  const schemas = new Map<string, TableSchema>()
  const files = readdirSync(folder).filter(name => name.endsWith('.sql'))
  for (const file of files.sort()) {
    const text = readFileSync(new URL(file, folder), 'utf8')
    for (const match of text.matchAll(tablePattern)) {
      const [, name, body, engine, parameters = '', order] = match
      const [version = '', deleted = ''] = listOf(parameters)
      const replaces = engine === 'ReplacingMergeTree'
      const table = { name: name!, columns: columnsOf(body!), identity: listOf(order!) }
      schemas.set(name!, { ...table, replaces, version, deleted })
    }
    for (const [, name, column, type] of text.matchAll(addedPattern)) {
      const table = schemas.get(name!)!
      schemas.set(name!, { ...table, columns: new Map([...table.columns, [column!, type!]]) })
    }
  }
  return schemas
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
}

function columnsOf(body: string): Map<string, string> {
  const lines = body.split('\n').map(line => /^\s+`?(\w+)`?\s+(.+?),?$/.exec(line))
  return new Map(lines.flatMap(match => (match ? [[match[1]!, match[2]!]] : [])))
}
