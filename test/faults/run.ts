/**
 * npm run faults [-- --only 5,7,9] [--long]   what each row of docs/faults.md names, and the results into that table
 *
 * --long: at the full durations, every crash point and more seeds; hours. Last line: one JSON object. Status 1:
 * something that should be proven failed, or did not run.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { faults } from './faults.ts'
import { standingOf } from './proof.ts'
import { createProver } from './prove.ts'
import { type Result, withTable } from './table.ts'

const path = new URL('../../docs/faults.md', import.meta.url)
const { values } = parseArgs({
  options: { only: { type: 'string' }, long: { type: 'boolean', default: false } },
})

function chosenNumbers(): number[] {
  const numbers = values.only?.split(',').map(Number) ?? faults.map(({ number }) => number)
  for (const number of numbers)
    if (!faults.some(fault => fault.number === number))
      throw new Error(
        `--only ${values.only}: give numbers from 1 to ${faults.length}, with commas.`,
      )
  return numbers
}

/** After each row, so that a run that is stopped keeps what it has. */
function keep(news: ReadonlyMap<number, Result>): void {
  writeFileSync(path, withTable(readFileSync(path, 'utf8'), faults, news))
}

function secondsOf(ms: number | undefined): string {
  return ms === undefined ? '-' : (ms / 1_000).toFixed(1)
}

const counts = { passed: 0, partly: 0, missing: 0, failed: 0 }
const chosen = chosenNumbers()
// What the data say may have changed since the table was written.
keep(new Map())
const prove = createProver(values.long)
for (const fault of faults.filter(({ number }) => chosen.includes(number))) {
  const standing = standingOf(fault)
  const beganMs = performance.now()
  const { wrong, simulations, tests, behind, brokers } = await prove(fault)
  const seconds = ((performance.now() - beganMs) / 1_000).toFixed(1)
  const passed = standing === 'partly' ? 'partly' : 'passed'
  const outcome = standing === 'missing' ? 'missing' : wrong.length > 0 ? 'failed' : passed
  counts[outcome]++
  console.log(
    `${String(fault.number).padStart(2)}  ${outcome.padEnd(7)} ${seconds} s  ${fault.what}`,
  )
  for (const sentence of wrong) console.log(`      ${sentence}`)
  if (outcome === 'missing') continue
  const length = values.long ? 'long' : 'quick'
  const how = brokers === undefined ? length : `${length}, ${brokers} brokers`
  const words = outcome === 'partly' ? 'passed, as far as proven' : outcome
  const date = new Date().toISOString().slice(0, 10)
  const result = `${words} (${how})`
  const [recovered, worst] = [secondsOf(behind?.recoveredMs), secondsOf(behind?.worstMs)]
  const runs = [`${simulations} simulated`, `${tests} tests`].filter(part => !part.startsWith('0 '))
  keep(
    new Map([
      [fault.number, { result, runs: runs.join(', '), recovered, behind: worst, seconds, date }],
    ]),
  )
}
console.log(JSON.stringify({ faults: chosen.length, ...counts }))
process.exitCode = counts.failed > 0 ? 1 : 0
