/** Lines of the bench as ratios to Ebb's; ends with status 1 unless the check says that all sessions are exact. */
import { readFileSync } from 'node:fs'

interface BenchLine {
  readonly engine: string
  readonly events_per_s: number
  readonly cpu_s_per_million: number
  readonly peak_rss_mb: number
}

interface Check {
  readonly sessions_true: number
  readonly exact: number
  readonly wrong: number
  readonly repeated: number
}

const [path, check] = process.argv.slice(2) as [string, string]
const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
const [ebb, ...peers] = lines.map(line => JSON.parse(line)) as [BenchLine, ...BenchLine[]]
const times = (ratio: number) => Math.round(ratio * 100) / 100
for (const peer of peers)
  console.log(
    JSON.stringify({
      peer: peer.engine,
      ebb_events_per_s: times(ebb.events_per_s / peer.events_per_s),
      ebb_cpu: times(ebb.cpu_s_per_million / peer.cpu_s_per_million),
      ebb_memory: times(ebb.peak_rss_mb / peer.peak_rss_mb),
    }),
  )
const { sessions_true, exact, wrong, repeated } = JSON.parse(check) as Check
if (exact !== sessions_true || wrong > 0 || repeated > 0) {
  console.error('The sessions are not those of the accepted clicks.')
  process.exit(1)
}
