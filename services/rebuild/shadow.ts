/**
 * The tables of an epoch that is being made: of the same names, in a database of their own, until they take the
 * place of those that everybody reads.
 */
import { assert, EbbError } from '../base/errors.ts'
import { quotedName } from '../store/connection.ts'
import type { Store } from '../store/store.ts'

/** Made anew: they take the place of the old ones. */
const exchanged = ['clicks', 'rejects', 'sessions', 'users', 'user_days'] as const
/** Only what the new epoch adds to them is taken over. */
const added = ['alerts', 'erasures', 'progress'] as const
/** An erasure looks there too; nothing is in it. */
const empty = ['deliveries'] as const

export interface Tables {
  /** That everybody reads. */
  readonly store: Store
  readonly shadow: Store
  /** Their databases, as SQL names them. */
  readonly present: string
  readonly next: string
}

/** By the name of the database that everybody reads. */
export function tablesOf(store: Store, shadow: Store, database: string): Tables {
  const [present, next] = [quotedName(database), quotedName(shadowNameOf(database))]
  return { store, shadow, present, next }
}

export function shadowNameOf(database: string): string {
  return `${database}_rebuild`
}

/** Makes them, empty; what an earlier rebuild left there is dropped. */
export async function makeShadow(tables: Tables): Promise<void> {
  const { store, shadow, present, next } = tables
  await refuseReplicas(store)
  for (const name of [...exchanged, ...added, ...empty]) {
    await shadow.command(`DROP TABLE IF EXISTS ${next}.${name} SYNC`)
    await shadow.command(`CREATE TABLE ${next}.${name} AS ${present}.${name}`)
  }
  await copyErasures(tables)
}

/** Rows of users who were erased rank by how often, in the new tables too. To be repeated when no more can come. */
export async function copyErasures({ shadow, present, next }: Tables): Promise<void> {
  await shadow.command(`INSERT INTO ${next}.erasures SELECT * FROM ${present}.erasures FINAL`)
}

/** Their places in Keeper are named after the database, and would not move with the tables. */
async function refuseReplicas(store: Store): Promise<void> {
  const [row] = await store.query<{ engine: string }>(
    "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = 'users'",
  )
  if (row?.engine.startsWith('Replicated'))
    throw new EbbError(
      'badInput',
      'The tables are replicated: a rebuild exchanges tables of two databases, which replicated ones do not follow.',
    )
}

async function uuidsIn(store: Store): Promise<Record<string, string>> {
  const rows = await store.query<{ name: string; uuid: string }>(
    'SELECT name, toString(uuid) AS uuid FROM system.tables WHERE database = currentDatabase()',
  )
  return Object.fromEntries(rows.map(({ name, uuid }) => [name, uuid]))
}

/** What `exchangeTables` goes by: asked before the first exchange, and kept. */
export async function newTables({ shadow }: Tables): Promise<Record<string, string>> {
  const uuids = await uuidsIn(shadow)
  return Object.fromEntries(exchanged.map(name => [name, uuids[name]!]))
}

/**
 * The new tables into the place of the old ones, one after the other; those that are there already stay, so a crash in
 * between is gone on from. Progress last: it trails the data.
 */
export async function exchangeTables(
  tables: Tables,
  uuids: Readonly<Record<string, string>>,
  topic: string,
): Promise<void> {
  const { store, present, next } = tables
  for (const name of exchanged) {
    if ((await uuidsIn(store))[name] !== uuids[name])
      await store.command(`EXCHANGE TABLES ${present}.${name} AND ${next}.${name}`)
    assert((await uuidsIn(store))[name] === uuids[name], `the new table ${name} is in its place`)
  }
  await copyRejects(tables)
  for (const name of added) {
    const own = name === 'progress' ? ' WHERE topic = {topic:String}' : ''
    await store.command(
      `INSERT INTO ${present}.${name} SELECT * FROM ${next}.${name} FINAL${own}`,
      { topic },
    )
  }
}

/**
 * What was refused, from the old table into the new one: late clicks and those aside were judged again, and stand there.
 * Without what an erasure takes, by either database: in the old table none is done any more. What was refused at the door
 * has a time and no place.
 * Repeatable, and to be repeated: collectors wrote to the old table until the exchange, and a slow insert of theirs even after.
 */
export async function copyRejects({ store, present, next }: Tables): Promise<void> {
  const identity = 'source, epoch, partition, offset, `index`, user_id'
  await store.command(
    `INSERT INTO ${present}.rejects SELECT * FROM ${next}.rejects
     WHERE (source != 'log' OR kind NOT IN ('late', 'aside')) AND (${identity}) NOT IN (
       SELECT ${identity} FROM ${next}.rejects AS t
       INNER JOIN (
         SELECT user_hash, max((epoch, offset)) AS place, max(erased_at) AS at
         FROM (SELECT * FROM ${present}.erasures UNION ALL SELECT * FROM ${next}.erasures)
         GROUP BY user_hash
       ) AS e ON e.user_hash = lower(hex(SHA256(t.user_id)))
       WHERE if(source = 'log', (t.epoch, t.offset) <= e.place, t.clock <= e.at))`,
  )
}

/** With what else stands there of a rebuild. Nobody else's table is dropped. */
export async function dropShadow(
  { shadow, next }: Tables,
  others: readonly string[],
): Promise<void> {
  for (const name of [...exchanged, ...added, ...empty, ...others])
    await shadow.command(`DROP TABLE IF EXISTS ${next}.${name} SYNC`)
  const [row] = await shadow.query<{ count: string }>(
    'SELECT count() AS count FROM system.tables WHERE database = currentDatabase()',
  )
  if (Number(row!.count) === 0) await shadow.command(`DROP DATABASE IF EXISTS ${next} SYNC`)
}
