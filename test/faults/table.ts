/**
 * The table in docs/faults.md: written by the command, read back for the results of rows that do not run. A result
 * holds for what stands beside it as its proofs: it falls with the first table that names others.
 */
import { type Fault, type Proof, standingOf } from './proof.ts'

export interface Result {
  /** E.g. `passed (quick)`. */
  readonly result: string
  /** E.g. `5 simulated, 2 tests`. */
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
const outdated: Result = { ...unmeasured, result: 'not run since its proofs changed' }
const nothing: Result = { ...unmeasured, result: 'missing' }

function wordsOf(proof: Proof): string {
  if (proof.kind === 'simulated') return `simulated: ${proof.by}`
  return `\`${proof.file}\`: ${proof.titles.map(title => `“${title}”`).join(', ')}`
}

function proofsOf({ proofs }: Fault): string {
  return proofs.map(wordsOf).join('; ') || '-'
}

interface Row {
  /** What was named when the row was written. */
  readonly proofs: string
  readonly result: Result
}

/** By number. */
function rowsIn(document: string): Map<number, Row> {
  const rows = new Map<number, Row>()
  for (const line of document.split('\n')) {
    const [number, , proofs, , result, runs, recovered, behind, seconds, date] = line
      .split(' | ')
      .map(cell => cell.replace(/^\| | \|$/g, ''))
    if (date === undefined || !/^\d+$/.test(number!)) continue
    rows.set(Number(number), {
      proofs: proofs!,
      result: {
        result: result!,
        runs: runs!,
        recovered: recovered!,
        behind: behind!,
        seconds: seconds!,
        date,
      },
    })
  }
  return rows
}

/** Of a row that does not run now. */
function standingResult(fault: Fault, row: Row | undefined): Result {
  if (standingOf(fault) === 'missing') return nothing
  // What was missing has proofs by now, and nobody ran them.
  if (!row || row.result.result === nothing.result) return unrun
  if (row.proofs === proofsOf(fault) || row.result.result === unrun.result) return row.result
  return outdated
}

/** The document with its table made anew, `news` by number. Throws where it has no marks for one. */
export function withTable(
  document: string,
  faults: readonly Fault[],
  news: ReadonlyMap<number, Result> = new Map(),
): string {
  const [before, rest] = document.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error(`docs/faults.md has no place for the table: ${begin} and ${end} are missing.`)
  const known = rowsIn(document)
  const rows = faults.map(fault => {
    const { number, what, missing } = fault
    const { result, runs, recovered, behind, seconds, date } =
      news.get(number) ?? standingResult(fault, known.get(number))
    const cells = [`${number}`, what, proofsOf(fault), missing ?? '-']
    return `| ${[...cells, result, runs, recovered, behind, seconds, date].join(' | ')} |`
  })
  return `${before}${begin}\n${head}\n${rows.join('\n')}\n${end}${after}`
}
