/**
 * Tables that are older than a growth or a rebuild, as those of a backup from before it. The log tells it: there is a
 * topic behind the newest that they know of, and collectors took clicks for it.
 */
import { EbbError } from '../base/errors.ts'
import { decodeRecord } from '../log/codec.ts'
import type { Log } from '../log/log.ts'
import type { ClicksRecord, Dead } from '../log/record.ts'
import type { Store } from '../store/store.ts'
import { type Epoch, keepEpoch, readEpochs, readSealed, topicOf } from './epochs.ts'
import { isRevocable, keepRebuild, readOpenRebuild } from './steps.ts'

interface Place {
  readonly log: Pick<Log, 'partitions' | 'bounds' | 'read'>
  readonly store: Store
}

/** `rebuilt`: its topic holds all that its tables are made of; else it goes on from the epoch before. */
export type EpochAhead = Epoch & { readonly rebuilt: boolean }

/** Numbers looked at together. Behind so many without a topic nobody looks; a growth passes over those that have one. */
const numbersAtOnce = 8
const readBytes = 1 << 20
const tailRecords = 1_000

/** The first epoch that the tables know nothing of, and in which collectors took clicks; undefined as a rule. */
export async function findAhead(
  { log, store }: Place,
  firstTopic: string,
): Promise<EpochAhead | undefined> {
  const present = (await readEpochs(store)).at(-1) ?? { epoch: 0, topic: firstTopic }
  for (let from = present.epoch + 1; ; from += numbersAtOnce) {
    const numbers = Array.from({ length: numbersAtOnce }, (_, at) => from + at)
    const found = await Promise.all(
      numbers.map(async epoch => {
        const topic = topicOf(firstTopic, epoch)
        return { epoch, topic, partitions: await partitionsOf(log, topic) }
      }),
    )
    for (const epoch of found) {
      const rebuilt = epoch.partitions > 0 ? await isRebuilt(log, epoch) : undefined
      if (rebuilt === undefined) continue
      if (!rebuilt && (await isUnderWay({ log, store }, present.topic, epoch))) continue
      return { ...epoch, rebuilt }
    }
    if (found.every(({ partitions }) => partitions === 0)) return undefined
  }
}

/** A rebuild has not come to its end there, of a project that had no click: what is carried to it looks as at a growth. */
async function isUnderWay(
  { log, store }: Place,
  before: string,
  { epoch, partitions }: Epoch,
): Promise<boolean> {
  const open = await readOpenRebuild(store)
  return open?.epoch === epoch && (await partitionsOf(log, before)) === partitions
}

/**
 * The tables go on where the log did, by a growth: what was folded after the backup is folded again, to the same rows
 * and alerts. Whoever else says the same says it in the same row; one who has said more already is believed.
 */
export async function followLog(
  { log, store }: Place,
  present: Epoch,
  ahead: EpochAhead,
  nowMs: number,
): Promise<void> {
  const { epoch, topic, partitions } = ahead
  const isMoved = async () => ((await readEpochs(store)).at(-1)?.epoch ?? 0) > present.epoch
  if (await isMoved()) return
  const fault = await whyNotGrown(log, present, ahead)
  if (fault) throw fault
  const open = await readOpenRebuild(store)
  if (open && isRevocable(open)) await keepRebuild(store, { ...open, step: 'given up' }, nowMs)
  try {
    await keepEpoch(store, present, { epoch, topic, partitions }, nowMs)
  } catch (error) {
    if (!(await isMoved())) throw error
  }
}

/** Why what is ahead cannot have come of a growth of this epoch; undefined where it can. */
async function whyNotGrown(
  log: Place['log'],
  present: Epoch,
  { topic, partitions }: EpochAhead,
): Promise<EbbError | undefined> {
  if (partitions <= present.partitions) return smaller(present, topic, partitions)
  const numbers = [...Array(present.partitions).keys()]
  const bounds = await Promise.all(numbers.map(number => log.bounds(present.topic, number)))
  return bounds.some(({ endOffset }) => endOffset > 0) ? undefined : leftOver(present, topic)
}

function smaller(present: Epoch, topic: string, partitions: number): EbbError {
  const asMany =
    partitions === present.partitions
      ? ' If a rebuild made it, retention has taken the clicks that it began with: restore a backup of ClickHouse from behind that rebuild.'
      : ''
  return new EbbError(
    'topicMismatch',
    `${topic} holds clicks and has ${partitions} partitions, ${present.topic} before it ${present.partitions}: no growth made that, for a project never gets fewer, nor as many again.${asMany} Else look at the addresses of Kafka and ClickHouse.`,
  )
}

/** A growth leaves Seals at least. */
function leftOver({ topic: before }: Epoch, topic: string): EbbError {
  return new EbbError(
    'topicMismatch',
    `${before} holds no record and never did, and ${topic}, in which a project went on from it, holds clicks: they are of an earlier project of that name, or ${before} was lost. If nobody needs them, delete ${topic} and those behind it. If ${before} was lost, bring it back from a copy first; without one, begin a project of another name.`,
  )
}

/** Why nothing more of this epoch is folded, though the tables know of no later one; undefined as a rule. */
export async function whyEnded(place: Place, present: Epoch): Promise<EbbError | undefined> {
  const { log, store } = place
  const sealed = await readSealed(store, present.topic)
  const open = await readOpenRebuild(store)
  // Last: what was begun meanwhile is no fault.
  const epochs = await readEpochs(store)
  if ((open && !isRevocable(open)) || (epochs.at(-1)?.epoch ?? 0) > present.epoch) return undefined
  const ahead = await findAhead(place, epochs[0]?.topic ?? present.topic)
  if (ahead)
    return (
      (ahead.rebuilt ? undefined : await whyNotGrown(log, present, ahead)) ?? older(present, ahead)
    )
  return sealed.size > 0 ? ended(present) : undefined
}

function older({ topic: before }: Epoch, { topic, partitions, rebuilt }: EpochAhead): EbbError {
  const way = rebuilt
    ? 'run ebb rebuild, without files: it makes the tables from that topic'
    : `run ebb grow ${partitions}, or start a service anew: either writes down where the project goes on, and processors fold what stands there`
  return new EbbError(
    'topicMismatch',
    `The project went on from ${before} in ${topic}, by a ${rebuilt ? 'rebuild' : 'growth'}, and the tables know nothing of it: they are older, as those of a backup from before it. The clicks since stand on ${topic}: delete nothing, and ${way}.`,
  )
}

function ended({ topic, partitions }: Epoch): EbbError {
  return new EbbError(
    'topicMismatch',
    `${topic} was sealed by a growth or a rebuild, the tables know of nothing behind it, as those of a backup from before it, and Kafka has no topic with clicks that goes on from there. Look at the address of Kafka first, and bring the topic behind it back if a copy has it. Else run ebb grow ${2 * partitions}: it goes on in a new topic, to which processors carry what stands behind the seals; what only the missing topic held is lost.`,
  )
}

/** 0 where there is no such topic. */
async function partitionsOf(log: Place['log'], topic: string): Promise<number> {
  try {
    return await log.partitions(topic)
  } catch (error) {
    if (error instanceof EbbError && error.code === 'topicMissing') return 0
    throw error
  }
}

/** Undefined where no collector took clicks for it: it is empty, or what a rebuild left that came to no end. */
async function isRebuilt(log: Place['log'], epoch: Epoch): Promise<boolean | undefined> {
  const { topic, partitions } = epoch
  const numbers = [...Array(partitions).keys()]
  const begins = await Promise.all(numbers.map(number => beginningOf(log, topic, number)))
  if (!begins.includes('history')) return begins.includes('live') ? false : undefined
  const ends = await Promise.all(numbers.map(number => endOf(log, topic, number)))
  return ends.includes('live') ? true : undefined
}

/** Who wrote: a rebuild, whose clicks have the clock that judged them; or collectors, who tick. */
type Writer = 'history' | 'live'

function writerOf(record: ClicksRecord | Dead): Writer | undefined {
  if (record.kind === 'tick') return 'live'
  if (record.kind !== 'click') return undefined
  if (record.judgedMs !== undefined) return 'history'
  // Files are imported by both.
  return record.imported ? undefined : 'live'
}

async function beginningOf(
  log: Place['log'],
  topic: string,
  partition: number,
): Promise<Writer | undefined> {
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  for (let offset = startOffset; offset < endOffset; ) {
    const records = await log.read(topic, partition, offset, readBytes)
    for (const { value } of records) {
      const writer = writerOf(decodeRecord(value))
      if (writer) return writer
    }
    offset = (records.at(-1)?.offset ?? endOffset) + 1
  }
  return undefined
}

/** By the last records that tell it. */
async function endOf(
  log: Place['log'],
  topic: string,
  partition: number,
): Promise<Writer | undefined> {
  const { startOffset, endOffset } = await log.bounds(topic, partition)
  for (let to = endOffset; to > startOffset; to = Math.max(startOffset, to - tailRecords)) {
    const kinds = new Set<Writer>()
    for (let offset = Math.max(startOffset, to - tailRecords); offset < to; ) {
      const records = await log.read(topic, partition, offset, readBytes)
      for (const { value } of records) {
        const record = decodeRecord(value)
        const isCarried = record.kind === 'click' && record.judgedMs === undefined
        const writer = isCarried ? undefined : writerOf(record)
        if (writer) kinds.add(writer)
      }
      offset = (records.at(-1)?.offset ?? to) + 1
    }
    if (kinds.has('live')) return 'live'
    if (kinds.has('history')) return 'history'
  }
  return undefined
}
