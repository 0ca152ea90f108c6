/**
 * The queries of the services, by their text: what each answers on tables in memory. A text that is not here throws,
 * so that a changed query is looked at. test/simulation/conformance.test.ts asks the real engine the same.
 */
import { hash } from 'node:crypto'
import { risenSql, tablesOfUsers } from '../../../services/processor/erasures.ts'
import { readMoney, rowMoney } from '../../../services/store/rows.ts'
import type { Params } from '../../../services/store/store.ts'
import { latest } from '../../../services/webhooks/deliveries.ts'
import { SimulationError } from '../calls.ts'
import type { Row, Tables } from './tables.ts'

type Answer = (tables: Tables, params: Params) => Row[]

const dayMs = 86_400_000
const int = (value: unknown) => Number(value)

/** A DateTime64(3, 'UTC') as JSON shows it. */
export function timeText(ms: unknown): string {
  return new Date(int(ms)).toISOString().replace('T', ' ').slice(0, -1)
}

const shortened = new Map<string, string>()

/** The text without line breaks; of each text it is made once. */
function oneLine(sql: string): string {
  const line = shortened.get(sql) ?? sql.replace(/\s+/g, ' ').trim()
  shortened.set(sql, line)
  return line
}

/** The newest of each key, by the order given. */
function newestBy(rows: readonly Row[], keys: readonly string[], order: readonly string[]): Row[] {
  const sorted = [...rows].sort((one, other) => {
    for (const column of order)
      if (int(one[column]) !== int(other[column])) return int(other[column]) - int(one[column])
    return 0
  })
  const seen = new Set<string>()
  return sorted.filter(row => {
    const key = keys.map(column => row[column]).join('\u0000')
    return seen.size < seen.add(key).size
  })
}

const inSlots = (row: Row, params: Params) =>
  int(row.slot) >= int(params.from) &&
  int(row.slot) < int(params.to) &&
  int(row.slot) % int(params.partitions) === params.partition

const latestDeliveries = (rows: readonly Row[]) => {
  const ranked = rows.map(row => ({
    ...row,
    end: (row.status === 'delivered' ? 1 : 0) + (row.next_at === null ? 1 : 0),
  }))
  const newest = newestBy(ranked, ['message_id', 'endpoint_id'], ['end', 'attempt', 'version'])
  return newest.map(({ end: _, ...row }): Row => row)
}

const deliveryRow = (row: Row): Row => ({
  ...row,
  at: timeText(row.at),
  next_at: row.next_at === null ? null : timeText(row.next_at),
  version: String(row.version),
  offset: String(row.offset),
})

const slotRange =
  'slot >= {from:UInt16} AND slot < {to:UInt16} AND slot % {partitions:UInt16} = {partition:UInt16}'
export const openDeliveriesSql = `SELECT * FROM (SELECT * FROM deliveries ${latest}) WHERE next_at IS NOT NULL`

const restoring: Record<string, Answer> = {
  'SELECT next_offset, state, last_hash FROM progress FINAL WHERE topic = {topic:String} AND partition = {partition:UInt16}':
    (tables, { topic, partition }) =>
      tables
        .rows('progress')
        .filter(row => row.topic === topic && row.partition === partition)
        .map(({ next_offset, state, last_hash }) => ({
          next_offset: String(next_offset),
          state,
          last_hash,
        })),
  [`SELECT user_id, state, version FROM users FINAL WHERE ${slotRange}`]: (tables, params) =>
    tables
      .rows('users')
      .filter(row => inSlots(row, params))
      .map(({ user_id, state, version }) => ({ user_id, state, version: String(version) })),
  "SELECT user_id, timestamp, event_id, epoch, offset FROM clicks FINAL WHERE slot IN {slots:Array(UInt16)} AND user_id IN {users:Array(String)} AND verdict = 'accepted' AND timestamp >= fromUnixTimestamp64Milli({oldest:Int64}, 'UTC') ORDER BY epoch, offset":
    (tables, { users, oldest }) => {
      const lacking = new Set(users as readonly string[])
      return tables
        .rows('clicks')
        .filter(
          row =>
            lacking.has(String(row.user_id)) &&
            row.verdict === 'accepted' &&
            int(row.timestamp) >= int(oldest),
        )
        .sort((one, other) => int(one.offset) - int(other.offset))
        .map(({ user_id, timestamp, event_id, epoch, offset }) => ({
          user_id,
          timestamp: timeText(timestamp),
          event_id,
          epoch: int(epoch),
          offset: String(offset),
        }))
    },
  "SELECT DISTINCT offset FROM clicks WHERE epoch = {epoch:UInt16} AND partition = {partition:UInt16} AND verdict = 'accepted' AND offset >= {next:UInt64}":
    (tables, { epoch, partition, next }) =>
      tables
        .rows('clicks')
        .filter(
          row =>
            row.epoch === epoch &&
            row.partition === partition &&
            row.verdict === 'accepted' &&
            int(row.offset) >= int(next),
        )
        .map(row => ({ offset: String(row.offset) })),
}

const delivering: Record<string, Answer> = {
  [`SELECT * FROM deliveries WHERE message_id IN {ids:Array(String)} ${latest}`]: (
    tables,
    { ids },
  ) => {
    const wanted = new Set(ids as readonly string[])
    const rows = tables.rows('deliveries').filter(row => wanted.has(row.message_id as string))
    return latestDeliveries(rows).map(deliveryRow)
  },
  [openDeliveriesSql]: tables =>
    latestDeliveries(tables.rows('deliveries'))
      .filter(row => row.next_at !== null)
      .map(deliveryRow),
  'SELECT alert_id, endpoint_id, message_id, max(attempt) AS attempt FROM deliveries WHERE alert_id IN {ids:Array(String)} GROUP BY alert_id, endpoint_id, message_id':
    (tables, { ids }) => {
      const wanted = new Set(ids as readonly string[])
      const rows = tables.rows('deliveries').filter(row => wanted.has(row.alert_id as string))
      const keys = ['alert_id', 'endpoint_id', 'message_id']
      return newestBy(rows, keys, ['attempt']).map(
        ({ alert_id, endpoint_id, message_id, attempt }) => ({
          alert_id,
          endpoint_id,
          message_id,
          attempt,
        }),
      )
    },
  'SELECT * FROM ( SELECT * FROM endpoints ORDER BY revision DESC LIMIT 1 BY endpoint_id ) WHERE NOT removed ORDER BY changed_at, endpoint_id':
    tables => endpointRows(tables.rows('endpoints')),
  'SELECT * FROM ( SELECT * FROM endpoints WHERE endpoint_id = {endpoint:String} ORDER BY revision DESC LIMIT 1 BY endpoint_id ) WHERE NOT removed ORDER BY changed_at, endpoint_id':
    (tables, { endpoint }) =>
      endpointRows(tables.rows('endpoints').filter(row => row.endpoint_id === endpoint)),
  'SELECT next_offset, state, version FROM progress WHERE topic = {topic:String} AND partition = {partition:UInt16} ORDER BY version DESC LIMIT 1':
    (tables, { topic, partition }) =>
      tables
        .rows('progress')
        .filter(row => row.topic === topic && row.partition === partition)
        .map(({ next_offset, state, version }) => ({
          next_offset: String(next_offset),
          state,
          version: String(version),
        })),
}

function endpointRows(rows: readonly Row[]): Row[] {
  return newestBy(rows, ['endpoint_id'], ['revision'])
    .filter(row => !row.removed)
    .sort(
      (one, other) =>
        int(one.changed_at) - int(other.changed_at) ||
        (String(one.endpoint_id) < String(other.endpoint_id) ? -1 : 1),
    )
    .map(row => ({
      ...row,
      revision: String(row.revision),
      changed_at: timeText(row.changed_at),
    }))
}

const byText = (column: string) => (one: Row, other: Row) =>
  one[column] === other[column] ? 0 : String(one[column]) < String(other[column]) ? -1 : 1

const controlling: Record<string, Answer> = {
  'SELECT rule_id, revision, rule FROM rules ORDER BY rule_id, revision': tables =>
    tables
      .rows('rules')
      .sort((one, other) => int(one.revision) - int(other.revision))
      .sort(byText('rule_id'))
      .map(({ rule_id, revision, rule }) => ({ rule_id, revision: String(revision), rule })),
  'SELECT rule_id, revision, rule, removed FROM rules ORDER BY rule_id, revision DESC LIMIT 1 BY rule_id':
    tables =>
      newestBy(tables.rows('rules'), ['rule_id'], ['revision'])
        .sort(byText('rule_id'))
        .map(({ rule_id, revision, rule, removed }) => ({
          rule_id,
          revision: String(revision),
          rule,
          removed,
        })),
  'SELECT kind, revision, value FROM controls ORDER BY kind, revision DESC': tables =>
    tables
      .rows('controls')
      .sort((one, other) => int(other.revision) - int(one.revision))
      .sort(byText('kind'))
      .map(({ kind, revision, value }) => ({ kind, revision: String(revision), value })),
  'SELECT max(revision) AS revision FROM controls WHERE kind = {kind:String}': (
    tables,
    { kind },
  ) => {
    const revisions = tables
      .rows('controls')
      .flatMap(row => (row.kind === kind ? row.revision : []))
    return [{ revision: String(Math.max(0, ...revisions.map(int))) }]
  },
  'SELECT count() AS count FROM controls': tables => [
    { count: String(tables.rows('controls').length) },
  ],
  "SELECT value FROM controls WHERE kind = 'cutoffs' ORDER BY revision DESC LIMIT 1": tables =>
    newestBy(
      tables.rows('controls').filter(row => row.kind === 'cutoffs'),
      ['kind'],
      ['revision'],
    ).map(({ value }) => ({ value })),
  "SELECT countIf(JSONExtractString(state, 'imports') = 'over') AS live, max(clock) AS clock FROM progress FINAL WHERE topic = {topic:String}":
    (tables, { topic }) => {
      const rows = tables.rows('progress').filter(row => row.topic === topic)
      const live = rows.filter(row => JSON.parse(String(row.state)).imports === 'over')
      const clocks = rows.flatMap(row => (row.clock === null ? [] : [int(row.clock)]))
      const clock = clocks.length === 0 ? null : timeText(Math.max(...clocks))
      return [{ live: String(live.length), clock }]
    },
  'SELECT state FROM progress FINAL': tables =>
    tables.rows('progress').map(({ state }) => ({ state })),
  'SELECT partition, state FROM progress FINAL WHERE topic = {topic:String}': (tables, { topic }) =>
    tables
      .rows('progress')
      .filter(row => row.topic === topic)
      .map(({ partition, state }) => ({ partition, state })),
  'WITH arrayReverseSort(groupArray(value_90)) AS amounts SELECT length(amounts) AS payers, amounts[toUInt32(ceil(length(amounts) * {enter:Float64}))] AS high, amounts[toUInt32(ceil(length(amounts) * {leave:Float64}))] AS keep FROM users_now WHERE value_90 > 0':
    (tables, { enter, leave }) => {
      const amounts = paidMinor(tables).sort((one, other) => other - one)
      const at = (share: unknown) => {
        const minor = amounts[Math.ceil(amounts.length * int(share)) - 1] ?? 0
        return rowMoney(minor).replace(/\.?0+$/, '')
      }
      return [{ payers: String(amounts.length), high: at(enter), keep: at(leave) }]
    },
}

/** value_90 of users_now, where it is above 0. */
function paidMinor(tables: Tables): number[] {
  const clocks = new Map<unknown, number>()
  for (const row of tables.rows('progress'))
    if (String(row.topic).endsWith('clicks') && row.clock !== null)
      clocks.set(row.partition, int(row.clock))
  return tables
    .rows('users')
    .filter(row => clocks.has(row.partition))
    .map(row => {
      const clockMs = clocks.get(row.partition)!
      const amounts = row.money_amounts as string[]
      const times = row.money_times as number[]
      const inWindow = (ms: number) => ms > clockMs - 90 * dayMs && ms <= clockMs
      return amounts.reduce(
        (sum, amount, index) => sum + (inWindow(times[index]!) ? readMoney(amount) : 0),
        0,
      )
    })
    .filter(minor => minor > 0)
}

const erasureRow = ({ slot, user_hash, epoch, offset, times }: Row): Row => ({
  slot,
  user_hash,
  epoch,
  offset: String(offset),
  times,
})

/** Rows of a table that an erasure takes, whatever their user's id is called. */
function risenOf(tables: Tables, table: string): Row[] {
  const erasures = new Map(tables.rows('erasures').map(row => [row.user_hash, row]))
  if (erasures.size === 0) return []
  const found = new Map<unknown, Row>()
  for (const row of tables.rows(table)) {
    const erased = erasures.get(hash('sha256', String(row.user_id)))
    if (!erased || (table === 'rejects' && row.source !== 'log')) continue
    const isTaken = ['users', 'sessions', 'user_days'].includes(table)
      ? int(row.version) <= int(erased.version)
      : int(row.epoch) < int(erased.epoch) ||
        (int(row.epoch) === int(erased.epoch) && int(row.offset) <= int(erased.offset))
    const { epoch, offset } = erased
    if (isTaken) found.set(row.user_id, { user_id: row.user_id, epoch, offset: String(offset) })
  }
  return [...found.values()]
}

export const risen = (tables: Tables) => tablesOfUsers.flatMap(table => risenOf(tables, table))

const erasing: Record<string, Answer> = {
  'SELECT count() AS count FROM erasures': tables => [
    { count: String(tables.rows('erasures').length) },
  ],
  'SELECT slot, user_hash, epoch, offset, times FROM erasures FINAL WHERE slot % {partitions:UInt16} = {partition:UInt16}':
    (tables, { partitions, partition }) =>
      tables
        .rows('erasures')
        .filter(row => int(row.slot) % int(partitions) === partition)
        .map(erasureRow),
  'SELECT slot, user_hash, epoch, offset, times FROM erasures FINAL WHERE user_hash IN {hashes:Array(String)}':
    (tables, { hashes }) => {
      const wanted = new Set(hashes as readonly string[])
      return tables
        .rows('erasures')
        .filter(row => wanted.has(String(row.user_hash)))
        .map(erasureRow)
    },
}
for (const table of tablesOfUsers) erasing[risenSql(table)] = tables => risenOf(tables, table)

const answers = new Map(
  Object.entries({ ...restoring, ...delivering, ...controlling, ...erasing }).map(
    ([sql, answer]) => [oneLine(sql), answer],
  ),
)

export function answerQuery(tables: Tables, sql: string, params: Params = {}): Row[] {
  const answer = answers.get(oneLine(sql))
  if (!answer) throw new SimulationError(`the stand-in has no answer to: ${oneLine(sql)}`)
  return answer(tables, params)
}

/** For the conformance test. */
export const queryTexts: readonly string[] = [...answers.keys()]
