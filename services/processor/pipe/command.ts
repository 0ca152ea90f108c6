/** `ebb pipe` on standard input and output. */
import { EbbError } from '../../base/errors.ts'
import { type PipeOptions, parsePipeArguments } from './options.ts'
import { createPipe } from './run.ts'

export const pipeHelp = `Usage: ebb pipe [options] < LINES

The processor as a filter: one JSON object a line in (clicks in Segment's shape, {"tick": TIME},
{"rule": RULE} and so on), sessions, verdicts and alerts out. No server, no store.

Options
  --gap 30m            sessions end after this much inactivity
  --disorder 1m        how far out of order clicks may come
  --lateness 1h        how long a closed session waits for late ones
  --max-session 24h    a longer session is cut; 0: no cap
  --max-clicks 10000   a session of more clicks is cut; 0: no cap
  --skew 5m            a click stamped later than its arrival by more is quarantined
  --clock event        what moves the clock besides ticks: event, arrival, ticks or log
  --rules FILE         alert rules: one, an array, or one a line
  --guards off         on: hold alerts while clicks are missing; low-intake: only by volume
  --server-events A,B  events that are no activity
  --signals            print every user's signals at the end
  --summary            print counts at the end
  --no-flush           leave sessions open at the end of input
  --strict             end with status 1 at the first dead line

Example
  ebb import --print clicks.csv --user user --time at --event-column event | ebb pipe --summary
`

/** Lines are gathered per chunk of input: a write per line would be most of the work. */
function createOutput() {
  let pending = ''
  return {
    print(line: string) {
      pending += `${line}\n`
    },
    /** Writes what was gathered and waits while the reader is slow. */
    async flush() {
      if (pending === '') return
      const text = pending
      pending = ''
      if (!process.stdout.write(text))
        await new Promise(resolve => process.stdout.once('drain', resolve))
    },
  }
}

/** Runs to the end of standard input; resolves to the exit status. */
export async function runPipeCommand(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(pipeHelp)
    return 0
  }
  let options: PipeOptions
  try {
    options = parsePipeArguments(args)
  } catch (error) {
    if (!(error instanceof EbbError)) throw error
    process.stderr.write(`ebb pipe: ${error.message}\n`)
    return 2
  }
  // Whoever reads us has gone (`| head`): that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1)
  })
  const output = createOutput()
  const pipe = createPipe(options, output.print)
  const status = (await readLines(pipe.line, output)) ? 0 : 1
  if (status === 0) pipe.end()
  await output.flush()
  return status
}

/** Feeds standard input line by line; false when `line` ended the run. */
async function readLines(
  line: (text: string) => boolean,
  output: ReturnType<typeof createOutput>,
): Promise<boolean> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of process.stdin) {
    const text = rest + decoder.decode(chunk as Buffer, { stream: true })
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      if (!line(text.slice(from, end))) return false
      from = end + 1
    }
    rest = text.slice(from)
    // Input may come slowly: what is known is shown at once.
    await output.flush()
  }
  rest += decoder.decode()
  return rest === '' || line(rest)
}
