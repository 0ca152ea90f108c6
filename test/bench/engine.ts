/**
 * Ebb as an engine of the handbook's bench: its own reading of Kafka and its own fold, with the bench's bound of
 * five minutes and no caps; final sessions go to a topic instead of tables. The open ones are closed at the end.
 *
 *   KAFKA, TOPIC, OUT_TOPIC, END_OFFSETS as the bench sets them; with ACCEPTED_TOPIC the accepted clicks are
 *   copied there, so that the bench's check can be held against them alone.
 *
 * One process and no checkpoint: a run from the beginning to the end, as the bench asks for. What survives a
 * crash is the processor with its tables, and another proof's matter.
 */
import { createLogger } from '../../services/base/logger.ts'
import { steadyClock } from '../../services/base/time.ts'
import { openKafkaLog } from '../../services/log/kafka.ts'
import type { LogRecord, NewRecord } from '../../services/log/log.ts'
import { closeAll } from '../../services/processor/fold/due.ts'
import type { Effects } from '../../services/processor/fold/effects.ts'
import { fold, resume } from '../../services/processor/fold/fold.ts'
import { defaultSettings } from '../../services/processor/fold/settings.ts'
import { createState, type PartitionState } from '../../services/processor/fold/state.ts'
import { readInput } from '../../services/processor/input.ts'
import { gatherSessions, type Tally } from './sessions.ts'

const settings = {
  ...defaultSettings,
  disorderMs: 0,
  latenessMs: 300_000,
  // The bench's sessions have no end of their own: the busiest user's one lasts for days.
  sessionMsMax: 0,
  clicksMax: 0,
}
/** More than are ever due at once here: nothing is flushed in between. */
const dueMax = Number.MAX_SAFE_INTEGER

const { KAFKA = '127.0.0.1:19092', TOPIC = '', OUT_TOPIC = '', END_OFFSETS = '' } = process.env
const { ACCEPTED_TOPIC } = process.env
const ends = new Map(
  END_OFFSETS.split(',').map(text => text.split(':').map(Number) as [number, number]),
)

interface Part {
  readonly state: PartitionState
  readonly effects: Effects
  /** Final, and not on their topic yet. */
  readonly sessions: NewRecord[]
  readonly accepted: NewRecord[]
  readonly current: { accepted: boolean }
}

const tally: Tally = { accepted: 0, dropped: 0 }
const parts = new Map<number, Part>()
const folded = Promise.withResolvers<void>()
let startedAtMs = Number.NaN
let open = ends.size

function createPart(): Part {
  const sessions: NewRecord[] = []
  const current = { accepted: false }
  const effects = gatherSessions(sessions, tally, current)
  return { state: createState('bench', settings), effects, sessions, accepted: [], current }
}

function foldRecord({ state, effects, accepted, current }: Part, record: LogRecord): void {
  const input = readInput(record, state.settings.skewMs, String(record.offset))
  if ('reason' in input) throw new Error(`A record of the bench is none: ${input.detail}`)
  current.accepted = false
  if (!fold(state, input.record, input.position, effects, dueMax)) resume(state, effects, dueMax)
  if (ACCEPTED_TOPIC && current.accepted) accepted.push({ key: record.key, value: record.value })
}

function forgetChanged(state: PartitionState): void {
  for (const user of state.dirty) user.dirty = false
  state.dirty = []
}

async function send(number: number, { sessions, accepted }: Part): Promise<void> {
  if (sessions.length > 0) await log.append(OUT_TOPIC, number, sessions)
  sessions.length = 0
  if (accepted.length > 0) await log.append(ACCEPTED_TOPIC!, number, accepted)
  accepted.length = 0
}

const log = await openKafkaLog({
  brokers: KAFKA.split(','),
  logger: createLogger(),
  // Alone in its group, and without a checkpoint: taken for dead on a busy machine, it would begin anew.
  sessionMsMax: 60_000,
})
const ownership = await log.own(TOPIC, `ebb-bench-ebb-${process.pid}`, {
  async open(number) {
    parts.set(number, createPart())
    if (ends.get(number) === 0 && --open === 0) folded.resolve()
    return 0
  },
  async records(number, batch) {
    if (Number.isNaN(startedAtMs)) startedAtMs = steadyClock()
    const part = parts.get(number)!
    const end = ends.get(number)!
    for (const record of batch) {
      if (record.offset >= end) return
      foldRecord(part, record)
    }
    forgetChanged(part.state)
    await send(number, part)
    if (batch.at(-1)!.offset + 1 === end && --open === 0) folded.resolve()
  },
  async close() {},
  failed: (_number, error) => folded.reject(error),
})
await folded.promise
const seconds = (steadyClock() - startedAtMs) / 1000
for (const [number, part] of parts) {
  closeAll(part.state, part.effects)
  await send(number, part)
}
console.log(
  JSON.stringify({ events: tally.accepted + tally.dropped, seconds, dropped_late: tally.dropped }),
)
await ownership.stop()
await log.close()
process.exit(0)
