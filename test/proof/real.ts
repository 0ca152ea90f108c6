/**
 * `npm run proof:real`: the two real inputs as a replay through a real Kafka, folded by two processors of which
 * one is killed with -9 midway, into the tables of `ebb clickhouse`; then the very log of Kafka once more, offset
 * by offset, through one process on the embedded log. Every row of every table must be the same, and every alert.
 *
 * The clicks are no imports here but come in at their own times, so that timers fire. Progress goes to standard
 * error; the last line on standard output is one JSON object. Status 1: something differs; 3: no input, no Kafka.
 */
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { steadyClock } from '../../services/base/time.ts'
import { clicksFile, ordersFile, skip } from '../real/files.ts'
import { importHistory } from '../real/history.ts'
import { openProject } from '../real/project.ts'
import { copyLog, differencesOf, figuresOf } from './alike.ts'
import { replayPlan } from './plan.ts'
import { foldOnServers, openServersHere } from './two.ts'

const partitions = 4

/** What plain SQL says of the files (test/real): all sessions of one, all 25-day silences of the other. */
const known = [
  { name: 'clicks', file: clicksFile, figure: 'sessions', expected: 3605 },
  { name: 'orders', file: ordersFile, figure: 'firedAfter25Days', expected: 9532 },
] as const

const startedAtMs = steadyClock()
function say(text: string): void {
  process.stderr.write(
    `${((steadyClock() - startedAtMs) / 1000).toFixed(1).padStart(6)} s  ${text}\n`,
  )
}

async function proveFile(of: (typeof known)[number]) {
  const source = await openProject({ log: 'memory', partitions })
  const single = await openProject({ log: 'embedded', partitions, beside: source })
  const brokers = await brokersForTest(1, { own: true })
  if (typeof brokers === 'string') throw new Error(brokers)
  const servers = await openServersHere(brokers.addresses)
  try {
    const plan = replayPlan(await importHistory(source, of.file), partitions)
    say(`${of.name}: ${plan.clicks} clicks, ${plan.records} records for Kafka`)
    const killedAt = await foldOnServers(servers, plan, text => say(`${of.name}: ${text}`))
    const copied = await copyLog(servers.log, single)
    say(
      `${of.name}: ${copied} records of Kafka's log copied, each at its offset; one process folds them`,
    )
    await single.fold()
    const { rows, differences } = await differencesOf(servers, single)
    const figures = await figuresOf(servers.store)
    if (figures[of.figure] !== of.expected)
      differences.push(`${of.figure}: ${figures[of.figure]}, by plain SQL ${of.expected}`)
    for (const difference of differences.slice(0, 20)) say(`${of.name}: DIFFERS: ${difference}`)
    say(`${of.name}: ${differences.length} differences in ${JSON.stringify(rows)}`)
    return { input: of.name, killedAt, ...figures, rows, differences: differences.length }
  } finally {
    await servers.close()
    await brokers.stop()
    await single.close()
    await source.close()
  }
}

if (skip) process.exit(3)
const results = []
for (const of of known) results.push(await proveFile(of))
const differences = results.reduce((sum, result) => sum + result.differences, 0)
console.log(JSON.stringify({ differences, inputs: results }))
process.exit(differences === 0 ? 0 : 1)
