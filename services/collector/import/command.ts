/** `ebb import FILE...`: the options, what is shown, and where it goes. */
import { tmpdir } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import { logSink } from './append.ts'
import { importFiles } from './import.ts'
import { type Mapping, type MappingOptions, readMapping } from './mapping.ts'
import { printSink } from './print.ts'
import { openProgress, type ProgressLine } from './progress.ts'
import type { Rejected } from './read.ts'
import { summarize, type Verdicts } from './summary.ts'
import type { ImportTarget, Sink } from './target.ts'

export type ImportOptions = MappingOptions & { readonly print?: boolean }

/** The process around the command. */
export interface Surroundings {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly environment: Readonly<Record<string, string | undefined>>
  nowMs(): number
}

/** Of rejected rows; the rest is only counted, and kept in `rejects`. */
const shownRejectsMax = 20

/** `connect` opens the project that the other options of the command name; `--print` goes without. */
export function addImportCommand(
  program: Command,
  connect: (command: Command) => Promise<ImportTarget>,
  surroundings: Surroundings,
): Command {
  const command = program
    .command('import')
    .summary('load history from CSV or NDJSON files')
    .description(description)
    .argument('<file...>', 'CSV or NDJSON, packed with gzip or not; - is standard input')
  return addFileOptions(command)
    .option('--print', 'write the clicks to standard output, for `ebb pipe`, and change nothing')
    .addHelpText('after', examples)
    .action(async (files: string[], _options: ImportOptions, command: Command) => {
      const options = command.optsWithGlobals<ImportOptions>()
      await run(files, options, () => connect(command), surroundings)
    })
}

/** What the columns of files mean. */
export function addFileOptions(command: Command): Command {
  return command
    .option('--user <column>', 'who did it (default: userId)')
    .option(
      '--time <column>',
      'when: ISO 8601, YYYY-MM-DD HH:MM[:SS] or epoch ms (default: timestamp)',
    )
    .option('--event <name>', 'what every row is, e.g. "Order Completed"')
    .option('--event-column <column>', 'or the column that says it (default: event)')
    .option('--id <column>', 'a unique id of the row (default: messageId, else from file and line)')
    .option('--property <[name=]column>', propertyHelp, (text, all: string[] = []) => [
      ...all,
      text,
    ])
    .option(
      '--value <column[*column]>',
      'money, or a product such as Quantity*UnitPrice (default: revenue)',
    )
    .option('--order <column>', 'adds the rows of one order up into one click')
    .option('--refund-prefix <text>', 'orders whose id begins so are refunds')
    .option('--zone <zone>', 'of times that name none: Europe/London, +02:00 (default: UTC)')
    .addOption(new Option('--time-unit <unit>', 'of times that are numbers').choices(['ms', 's']))
}

async function run(
  files: readonly string[],
  options: ImportOptions,
  connect: () => Promise<ImportTarget>,
  surroundings: Surroundings,
): Promise<void> {
  const mapping = readMapping(options)
  const target = options.print ? null : await connect()
  try {
    await loadFiles(files, mapping, surroundings, {
      sink: target ? logSink(target) : printSink(surroundings.stdout),
      temporaryDirectory: target?.temporaryDirectory ?? tmpdir(),
      reject: async rows => target?.reject(rows),
      verdicts: async () => (await target?.verdicts?.()) ?? null,
      output: target ? surroundings.stdout : surroundings.stderr,
    })
  } finally {
    await target?.close()
  }
}

/** Where clicks of files go, and what is said of it. */
export interface Destination {
  readonly sink: Sink
  readonly temporaryDirectory: string
  reject(rows: readonly Rejected[]): Promise<void>
  verdicts(): Promise<Verdicts | null>
  /** Gets the summary. */
  readonly output: Writable
}

export async function loadFiles(
  files: readonly string[],
  mapping: Mapping,
  surroundings: Surroundings,
  { sink, temporaryDirectory, reject, verdicts, output }: Destination,
): Promise<void> {
  const progress = openProgress({
    isTerminal: surroundings.stderr.isTTY === true,
    hasColor: !surroundings.environment.NO_COLOR,
    write: text => surroundings.stderr.write(text),
    nowMs: surroundings.nowMs,
  })
  try {
    const tell = rejectTeller(progress)
    const summary = await importFiles({
      files,
      mapping,
      sink,
      temporaryDirectory,
      stdin: surroundings.stdin,
      nowMs: surroundings.nowMs,
      async reject(rows) {
        tell(rows)
        await reject(rows)
      },
      onProgress: progress.show,
    })
    const said = await verdicts()
    progress.end()
    output.write(summarize(summary, sink.verb, said))
  } finally {
    progress.end()
  }
}

function rejectTeller(progress: ProgressLine): (rows: readonly Rejected[]) => void {
  let shown = 0
  return rows => {
    for (const { file, line, reason, detail } of rows) {
      if (shown > shownRejectsMax) return
      progress.say(
        shown < shownRejectsMax
          ? `${file}, line ${line}: ${reason}: ${detail}`
          : 'More bad rows follow; they are counted below.',
      )
      shown++
    }
  }
}

const propertyHelp = 'what else to keep, once for each (default: all other columns)'

/** A line is a paragraph; commander wraps it. */
const description = `Loads history: all files together, in order of time, each row once.

Columns have Segment's names (userId, timestamp, event, messageId, revenue) unless options name others. Lines of NDJSON are in Segment's shape; with an option that names a column, their top-level keys are the columns.

A bad row is reported with its line and skipped. An import that was stopped goes on where it stopped when the same command is given again. Imports go forward in time, and only into a project that is not live yet; ebb rebuild takes the others.`

const examples = `
Negative amounts of purchases are refunds; amounts are added up exactly. A time
that clocks showed twice is the first of the two. An id is made from the file's
content and the line: so the same file under another name is the same, packed
or not, and twin rows both count.

Clicks of a shop, one row each:
  ebb import --user user_id retentioneering_ecom.csv.gz

Purchases of a shop, one row an item:
  ebb import --user CustomerID --time InvoiceDate --zone Europe/London \\
    --event 'Order Completed' --order InvoiceNo --refund-prefix C \\
    --value 'Quantity*UnitPrice' --property Country uci_online_retail.csv.gz

What the log would get:
  ebb import --print --user user_id retentioneering_ecom.csv.gz | ebb pipe
`
