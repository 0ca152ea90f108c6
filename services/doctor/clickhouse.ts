/** ClickHouse: its clock, its tables, its disks, and what it should have done by now. */
import { migrationFaults } from '../store/migrate.ts'
import type { Store } from '../store/store.ts'
import { type Check, durationText, look, ok, orOk, warn, wrong } from './check.ts'
import { diskCheck } from './disk.ts'

const area = 'ClickHouse'
/** Clocks that differ by more make times in tables and in the log hard to compare. */
const clockMsMax = 2_000
/** Above it merges do not keep up, and inserts will be slowed down. */
const partsMax = 500
const mutationMinutesMax = 5

export async function examineClickHouse(
  store: Store,
  wallClock: () => number,
): Promise<readonly Check[]> {
  const looks = [
    look(area, () => examineServer(store, wallClock)),
    look('schema', () => examineSchema(store)),
    look('disk', () => examineDisks(store)),
    look('tables', () => examineTables(store)),
    look('replication', () => examineReplication(store)),
  ]
  return (await Promise.all(looks)).flat()
}

async function examineServer(store: Store, wallClock: () => number): Promise<Check[]> {
  const beganMs = wallClock()
  const [row] = await store.query<{ version: string; now: string }>(
    'SELECT version() AS version, toUnixTimestamp64Milli(now64(3)) AS now',
  )
  const endedMs = wallClock()
  const nowMs = Number(row!.now)
  const offMs = nowMs < beganMs ? nowMs - beganMs : Math.max(0, nowMs - endedMs)
  const checks = [ok(area, `Version ${row!.version} answers in ${endedMs - beganMs} ms.`)]
  if (Math.abs(offMs) <= clockMsMax) return [...checks, ok('clocks', 'ClickHouse agrees with us.')]
  const where = offMs > 0 ? 'ahead of' : 'behind'
  const says = `ClickHouse's clock is ${durationText(Math.abs(offMs))} ${where} ours: set both by NTP.`
  return [...checks, wrong('clocks', says)]
}

async function examineSchema(store: Store): Promise<readonly Check[]> {
  const faults = await migrationFaults(store)
  return orOk(
    faults.map(fault => wrong('schema', fault)),
    'schema',
    'All tables are those of this version of Ebb.',
  )
}

async function examineDisks(store: Store): Promise<Check[]> {
  const disks = await store.query<{ name: string; free: string; total: string }>(
    'SELECT name, unreserved_space AS free, total_space AS total FROM system.disks',
  )
  return disks.map(({ name, free, total }) =>
    diskCheck(`ClickHouse's disk ${name}`, Number(free), Number(total)),
  )
}

async function examineTables(store: Store): Promise<readonly Check[]> {
  const parts = await store.query<{ table: string; parts: string }>(
    `SELECT table, count() AS parts FROM system.parts WHERE active AND database = currentDatabase()
     GROUP BY table, partition_id HAVING parts > {max:UInt32}`,
    { max: partsMax },
  )
  const mutations = await store.query<{ table: string; reason: string }>(
    `SELECT table, latest_fail_reason AS reason FROM system.mutations
     WHERE database = currentDatabase() AND NOT is_done AND create_time < now() - INTERVAL {minutes:UInt32} MINUTE`,
    { minutes: mutationMinutesMax },
  )
  const faults = [
    ...parts.map(row =>
      warn(
        'tables',
        `${row.table} has ${row.parts} parts: merges do not keep up with inserts; look at its disk and its load, and start no more processors until they do.`,
      ),
    ),
    ...mutations.map(row =>
      wrong(
        'tables',
        `A deletion in ${row.table} is not done for minutes (${row.reason || 'no reason is given'}): an erasure may be incomplete; see system.mutations, and mend the reason: ClickHouse then ends it by itself.`,
      ),
    ),
  ]
  return orOk(faults, 'tables', 'Merges keep up, and no deletion is pending.')
}

/** Of an engine without replicas there is nothing to say. */
async function examineReplication(store: Store): Promise<readonly Check[]> {
  const tables = await store.query<{ name: string; replicated: number }>(
    `SELECT name, startsWith(engine, 'Replicated') AS replicated FROM system.tables
     WHERE database = currentDatabase() AND engine LIKE '%MergeTree'`,
  )
  if (!tables.some(({ replicated }) => Number(replicated) === 1)) return []
  const area = 'replication'
  const single = tables.filter(({ replicated }) => Number(replicated) === 0)
  const settings = await store.query<{ name: string; value: string }>(
    `SELECT name, value FROM system.settings
     WHERE name IN ('insert_quorum', 'insert_quorum_parallel', 'select_sequential_consistency')`,
  )
  const value = (name: string) => settings.find(setting => setting.name === name)?.value
  const stuck = await store.query<{ table: string }>(
    'SELECT table FROM system.replicas WHERE database = currentDatabase() AND (is_readonly OR is_session_expired)',
  )
  const faults = [
    ...single.map(({ name }) =>
      wrong(
        area,
        `${name} is not replicated though others are: infra/clickhouse/replicated has it.`,
      ),
    ),
    ...stuck.map(({ table }) =>
      wrong(area, `This replica of ${table} takes no inserts: see Keeper.`),
    ),
  ]
  if (value('insert_quorum') === '0')
    faults.push(
      wrong(
        area,
        'insert_quorum is off: progress could lead what another replica has; see infra/clickhouse/replicated.xml.',
      ),
    )
  if (value('select_sequential_consistency') === '0')
    faults.push(
      warn(area, 'Reads are not sequential: right only where all services speak to one replica.'),
    )
  return orOk(faults, area, `${tables.length} tables are replicated, inserts by quorum.`)
}
