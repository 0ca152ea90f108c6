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
  /CREATE TABLE IF NOT EXISTS (\w+)\s*\(\n([\s\S]*?)\n\)\s*ENGINE = (\w+)(?:\(([^)]*)\))?\s*ORDER BY \(([^)]*)\)/g

export function readSchemas(): Map<string, TableSchema> {
  const schemas = new Map<string, TableSchema>()
  for (const file of readdirSync(folder).filter(name => name.endsWith('.sql')))
    for (const match of readFileSync(new URL(file, folder), 'utf8').matchAll(tablePattern)) {
      const [, name, body, engine, parameters = '', order] = match
      const [version = '', deleted = ''] = listOf(parameters)
      const replaces = engine === 'ReplacingMergeTree'
      const table = { name: name!, columns: columnsOf(body!), identity: listOf(order!) }
      schemas.set(name!, { ...table, replaces, version, deleted })
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
