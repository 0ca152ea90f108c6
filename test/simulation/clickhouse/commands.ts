/** The statements of the services that change rows where they are, by their text, as in queries.ts. */
import { readMoney, rowMoney } from '../../../services/store/rows.ts'
import type { Params } from '../../../services/store/store.ts'
import { SimulationError } from '../calls.ts'
import type { Row, Tables } from './tables.ts'

const recountBeginning =
  'INSERT INTO user_days SELECT toDate({day:String}) AS day, {slot:UInt16} AS slot, {user:String} AS user_id, ' +
  "countIf(verdict != 'aside') AS clicks, countIf(purchase) AS orders, " +
  "least(sumIf(amount, purchase), toDecimal128('900719925474.0991', 4)) AS value, " +
  "least(-sumIf(amount, verdict = 'aside'), toDecimal128('900719925474.0991', 4)) AS refunds, {epoch:UInt16} AS epoch, {partition:UInt16} AS partition, " +
  '{version:UInt64} AS version, 0 AS is_deleted FROM clicks AS c FINAL WHERE c.slot = {slot:UInt16} AND ' +
  'c.user_id = {user:String} AND arrayExists((start, end) -> toUnixTimestamp64Milli(c.timestamp) >= toInt64(start) ' +
  'AND toUnixTimestamp64Milli(c.timestamp) < toInt64(end), {from:Array(String)}, {until:Array(String)}) AND '
/** The simulation has one epoch: there both say the same. */
const recounts = [
  `${recountBeginning}c.offset <= {offset:UInt64}`,
  `${recountBeginning}(c.epoch, c.offset) <= ({epoch:UInt16}, {offset:UInt64})`,
]
const deletion = /^ALTER TABLE (\w+) DELETE WHERE (.*) SETTINGS mutations_sync = 1$/
const before = '(epoch, offset) <= ({epoch:UInt16}, {offset:UInt64})'
const ofUser = 'user_id = {user:String}'

const isBefore = (row: Row, params: Params) =>
  Number(row.epoch) < Number(params.epoch) ||
  (row.epoch === params.epoch && Number(row.offset) <= Number(params.offset))

/** By the condition: whether the row goes, of a user whose rows they are. */
const conditions: Readonly<Record<string, (row: Row, params: Params) => boolean>> = {
  [`${ofUser} AND ${before}`]: isBefore,
  [`${ofUser} AND source != 'log'`]: row => row.source !== 'log',
  [`${ofUser} AND slot = {slot:UInt16} AND ${before}`]: isBefore,
  [`${ofUser} AND source = 'log' AND ${before}`]: (row, params) =>
    row.source === 'log' && isBefore(row, params),
  [`${ofUser} AND slot = {slot:UInt16} AND version <= {version:UInt64}`]: (row, params) =>
    Number(row.version) <= Number(params.version),
}

export function runCommand(tables: Tables, sql: string, params: Params = {}): void {
  const text = sql.replace(/\s+/g, ' ').trim()
  const [, table, condition] = deletion.exec(text) ?? []
  const isGone = conditions[condition ?? '']
  if (isGone) {
    const user = String(params.user)
    tables.remove(table!, row => row.user_id === user && isGone(row, params))
    return
  }
  if (!recounts.includes(text)) throw new SimulationError(`the stand-in cannot run: ${text}`)
  tables.insert('user_days', [recounted(tables.rows('clicks'), params)])
}

function recounted(clicks: readonly Row[], params: Params): Row {
  const { from, until } = params as Record<'from' | 'until', readonly string[]>
  const isOfDay = (timeMs: number) =>
    from.some((fromMs, at) => timeMs >= Number(fromMs) && timeMs < Number(until[at]))
  const ofDay = clicks.filter(
    row =>
      row.user_id === params.user &&
      isOfDay(Number(row.timestamp)) &&
      Number(row.offset) <= Number(params.offset),
  )
  const sum = (rows: readonly Row[]) =>
    rows.reduce((total, row) => total + readMoney(String(row.amount)), 0)
  return {
    day: params.day,
    slot: params.slot,
    user_id: params.user,
    clicks: ofDay.filter(row => row.verdict !== 'aside').length,
    orders: ofDay.filter(row => row.purchase).length,
    value: rowMoney(sum(ofDay.filter(row => row.purchase))),
    refunds: rowMoney(-sum(ofDay.filter(row => row.verdict === 'aside'))),
    epoch: params.epoch,
    partition: params.partition,
    version: Number(params.version),
    is_deleted: 0,
  }
}
