/** The statements of the services that change rows where they are, by their text, as in queries.ts. */
import { readMoney, rowMoney } from '../../../services/store/rows.ts'
import type { Params } from '../../../services/store/store.ts'
import { SimulationError } from '../calls.ts'
import type { Row, Tables } from './tables.ts'

const dayMs = 86_400_000

const recountBeginning =
  'INSERT INTO user_days SELECT toDate({day:String}) AS day, {slot:UInt16} AS slot, {user:String} AS user_id, ' +
  "countIf(verdict != 'aside') AS clicks, countIf(purchase) AS orders, sumIf(amount, purchase) AS value, " +
  "-sumIf(amount, verdict = 'aside') AS refunds, {epoch:UInt16} AS epoch, {partition:UInt16} AS partition, " +
  '{version:UInt64} AS version, 0 AS is_deleted FROM clicks AS c FINAL WHERE c.slot = {slot:UInt16} AND ' +
  'c.user_id = {user:String} AND toDate(c.timestamp) = toDate({day:String}) AND '
/** The simulation has one epoch: there both say the same. */
const recounts = [
  `${recountBeginning}c.offset <= {offset:UInt64}`,
  `${recountBeginning}(c.epoch, c.offset) <= ({epoch:UInt16}, {offset:UInt64})`,
]
const deletion =
  /^ALTER TABLE (\w+) DELETE WHERE (slot = \{slot:UInt16\} AND )?user_id = \{user:String\} SETTINGS mutations_sync = 1$/

export function runCommand(tables: Tables, sql: string, params: Params = {}): void {
  const text = sql.replace(/\s+/g, ' ').trim()
  const deleted = deletion.exec(text)
  if (deleted) {
    const isGone = (row: Row) =>
      row.user_id === params.user && (!deleted[2] || row.slot === params.slot)
    tables.remove(deleted[1]!, isGone)
    return
  }
  if (!recounts.includes(text)) throw new SimulationError(`the stand-in cannot run: ${text}`)
  tables.insert('user_days', [recounted(tables.rows('clicks'), params)])
}

function recounted(clicks: readonly Row[], params: Params): Row {
  const dayStartMs = Date.parse(`${params.day}T00:00:00Z`)
  const ofDay = clicks.filter(
    row =>
      row.user_id === params.user &&
      Math.floor(Number(row.timestamp) / dayMs) * dayMs === dayStartMs &&
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
