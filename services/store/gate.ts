/**
 * What a reader may ask. The engine's `readonly` closes writes, DDL, SET and most table functions, but in
 * this process it leaves open: INTO OUTFILE, the function file(), DESCRIBE of any table function (which
 * reads files and calls URLs), and KILL QUERY. They are closed here.
 *
 * No text is judged that a stranger wrote: the engine's own parser writes the statement anew, in one
 * form, without comments, and that text is what is judged and what then runs. It takes one statement only.
 */

import type { EngineConnection } from './connection.ts'
import { exception } from './failure.ts'
import { quoted } from './rows.ts'

export interface Statement {
  readonly sql: string
  /** Of its FORMAT clause. */
  readonly format: string | undefined
  readonly isSelect: boolean
}

export type Gate = (sql: string) => Promise<Statement>

const statementBytesMax = 262_144

/** The table functions that read nothing but Ebb's own tables. Every other one the engine has is refused. */
const harmlessTables: ReadonlySet<string> = new Set(
  [
    'numbers',
    'numbers_mt',
    'zeros',
    'zeros_mt',
    'generate_series',
    'generateseries',
    'primes',
  ].concat(['values', 'view', 'merge', 'null', 'format', 'generaterandom']),
)

/** Refused wherever they stand, as a function can be named without calling it: arrayMap(file, ...). */
const refusedWords =
  /^(outfile|file|eval|catboostevaluate|showcertificate|ai(generate|classify|extract|embed|translate))$/

export async function openGate(control: EngineConnection): Promise<Gate> {
  const rows = await control.query<{ name: string }>(
    'SELECT lower(name) AS name FROM system.table_functions',
  )
  const outside = new Set(rows.map(({ name }) => name).filter(name => !harmlessTables.has(name)))
  return async text => {
    if (Buffer.byteLength(text) > statementBytesMax)
      throw exception(62, 'SYNTAX_ERROR', `A query has at most ${statementBytesMax} bytes.`)
    const sql = await rewrite(control, text)
    const kind = /^\(*(SELECT|WITH|SHOW|DESCRIBE|EXISTS|EXPLAIN)\b/.exec(sql)?.[1]
    if (!kind) throw denied('Only SELECT, SHOW, DESCRIBE, EXISTS and EXPLAIN are for readers.')
    for (const { word, called } of wordsOf(sql))
      if (refusedWords.test(word) || (called && outside.has(word)))
        throw denied(`${word} reaches beyond the tables: it is refused, as a name too.`)
    const format = /\sFORMAT (\w+)( SETTINGS .*)?$/.exec(
      withoutTexts(sql).replaceAll(quotedNames, '``'),
    )?.[1]
    return { sql, format, isSelect: kind === 'SELECT' || kind === 'WITH' }
  }
}

async function rewrite(control: EngineConnection, text: string): Promise<string> {
  try {
    const asked = `SELECT formatQuerySingleLine(${quoted(text)}) AS sql`
    const [row] = await control.query<{ sql: string }>(asked)
    return row!.sql
  } catch (error) {
    const message =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
    const [reason] = message.split(': In scope SELECT formatQuery')
    if (reason === message) throw error
    throw new Error(`${reason} (SYNTAX_ERROR)`)
  }
}

const quotedNames = /`(?:[^`\\]|\\.)*`/gs

/** The engine writes every text in one way: in single quotes, with backslashes before what is special. */
function withoutTexts(sql: string): string {
  return sql.replaceAll(/'(?:[^'\\]|\\.)*'/gs, "''")
}

/** All names and keywords outside of texts, in lower case, and whether a bracket follows. */
function wordsOf(sql: string) {
  const words = withoutTexts(sql).matchAll(/(?:`((?:[^`\\]|\\.)*)`|([A-Za-z_]\w*))(\s*\()?/gs)
  return Array.from(words, ([, quotedWord, word, bracket]) => ({
    word: (quotedWord ?? word!).toLowerCase(),
    called: bracket !== undefined,
  }))
}

function denied(message: string): Error {
  return exception(497, 'ACCESS_DENIED', message)
}
