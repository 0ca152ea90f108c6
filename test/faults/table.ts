/** The table in docs/faults.md: written by the command, read back for the results of rows that do not run. */
import { type Fault, type Proof, standingOf } from './proof.ts'

export interface Result {
  /** E.g. `passed (quick)`. */
  readonly result: string
  /** E.g. `5 seeds, 2 tests`. */
  readonly runs: string
  /** Seconds until the tables were up to date again, and behind at most, where a test measures them. */
  readonly recovered: string
  readonly behind: string
  /** How long the row took. */
  readonly seconds: string
  readonly date: string
}

const begin = '<!-- table -->'
const end = '<!-- end of table -->'
const head =
  '| # | fault | proven by | not proven | result | runs | s to recover | worst lag s | took s | date |\n' +
  '|---|---|---|---|---|---|---|---|---|---|'
const unmeasured = { runs: '-', recovered: '-', behind: '-', seconds: '-', date: '-' }
const unrun: Result = { ...unmeasured, result: 'not yet run by this command' }
const nothing: Result = { ...unmeasured, result: 'missing' }

function wordsOf(proof: Proof): string {
  if (proof.kind === 'simulated') return `simulated: ${proof.by}`
  return `\`${proof.file}\`: ${proof.titles.map(title => `“${title}”`).join(', ')}`
}

/** The cells of a row that come from the data. */
function cellsOf(fault: Fault): string[] {
  const proofs = fault.proofs.map(wordsOf).join('; ')
  return [`${fault.number}`, fault.what, proofs || '-', fault.missing ?? '-']
}

/** By number: what the document says of runs so far. */
export function resultsIn(document: string): Map<number, Result> {
  const results = new Map<number, Result>()
  for (const line of document.split('\n')) {
    const [number, , , , result, runs, recovered, behind, seconds, date] = line
      .split(' | ')
      .map(cell => cell.replace(/^\| | \|$/g, ''))
    if (date === undefined || !/^\d+$/.test(number!)) continue
    results.set(Number(number), {
      result: result!,
      runs: runs!,
      recovered: recovered!,
      behind: behind!,
      seconds: seconds!,
      date,
    })
  }
  return results
}

/** The document with its table made anew. Throws where it has no marks for one. */
export function withTable(
  document: string,
  faults: readonly Fault[],
  results: ReadonlyMap<number, Result>,
): string {
  const [before, rest] = document.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error(`docs/faults.md has no place for the table: ${begin} and ${end} are missing.`)
  const rows = faults.map(fault => {
    const known = standingOf(fault) === 'missing' ? nothing : results.get(fault.number)
    const { result, runs, recovered, behind, seconds, date } = known ?? unrun
    const cells = [...cellsOf(fault), result, runs, recovered, behind, seconds, date]
    return `| ${cells.join(' | ')} |`
  })
  return `${before}${begin}\n${head}\n${rows.join('\n')}\n${end}${after}`
}
