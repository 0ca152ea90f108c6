/**
 * The clocks of who writes to the log and of who stamps there, by what stands at its end: ticks, which every collector
 * writes every 5 s, and clicks, for a partition may be so busy that its ticks are far back.
 */
import { decodeRecord } from '../log/codec.ts'
import type { LogRecord } from '../log/log.ts'
import type { Click } from '../log/record.ts'
import { type Check, durationText, orOk, warn, wrong } from './check.ts'
import type { PartitionSource } from './partitions.ts'

const area = 'clocks'
/** Of clocks that stamp the same record. */
const clockMsMax = 5_000
/** Read at the end of each partition. */
const tailRecords = 1_000
const readBytes = 256 * 1024
/**
 * Of the newest record. Before it a clock may have been wrong that was set since; within it everyone has ticked. The
 * newest tick of each name would not do: collectors on several machines may have one name.
 */
const recentMs = 15_000
/** The first byte of JSON, which other writers put on the topic, by clocks of their own. */
const braceByte = 0x7b

interface Sight {
  /** Of a tick; undefined: of a click, which does not say it. */
  readonly writer: string | undefined
  /** By how much the log's clock is ahead of who wrote: below 0 where it is behind. */
  readonly offMs: number
}

export async function examineClocks(source: PartitionSource): Promise<readonly Check[]> {
  if (source.replay) return []
  const sights: Sight[] = []
  let newestMs = Number.NEGATIVE_INFINITY
  for (let partition = 0; partition < source.partitions; partition++) {
    const tail = await readTail(source, partition)
    newestMs = Math.max(newestMs, tail.at(-1)?.appendMs ?? newestMs)
    sights.push(...sightsOf(tail))
  }
  const faults = [...logFaults(newestMs - source.wallClock()), ...writerFaults(sights)]
  if (faults.length === 0 && sights.length === 0)
    return [
      warn(
        area,
        'No tick seen at the end of the log, and no click of a collector: nothing tells how their clocks are.',
      ),
    ]
  return orOk(faults, area, 'The log agrees with us and with who writes to it.')
}

async function readTail({ log, clicksTopic }: PartitionSource, partition: number) {
  const { startOffset, endOffset } = await log.bounds(clicksTopic, partition)
  const tail: LogRecord[] = []
  let offset = Math.max(startOffset, endOffset - tailRecords)
  while (offset < endOffset) {
    const records = await log.read(clicksTopic, partition, offset, readBytes)
    if (records.length === 0) break
    tail.push(...records)
    offset = records.at(-1)!.offset + 1
  }
  return tail
}

function sightsOf(tail: readonly LogRecord[]): Sight[] {
  const fromMs = (tail.at(-1)?.appendMs ?? 0) - recentMs
  const sights: Sight[] = []
  for (const { appendMs, value } of tail) {
    if (appendMs < fromMs || value?.[0] === braceByte) continue
    const record = decodeRecord(value)
    if (record.kind === 'tick')
      sights.push({ writer: record.writer, offMs: appendMs - record.atMs })
    else if (record.kind === 'click' && isFresh(record))
      sights.push({ writer: undefined, offMs: appendMs - record.receivedAtMs! })
  }
  return sights
}

/** Of a collector: files bring others, and so does a rebuild, which appends old clicks as they were. */
function isFresh({ imported, receivedAtMs, judgedMs }: Click): boolean {
  return !imported && receivedAtMs !== null && judgedMs === undefined
}

function logFaults(aheadMs: number): Check[] {
  if (aheadMs <= clockMsMax) return []
  return [
    wrong(area, `The log's clock is ${durationText(aheadMs)} ahead of ours: set both by NTP.`),
  ]
}

/** A tick tells of a clock, and so does what came before it was sent. A late click may have waited for the log. */
function writerFaults(sights: readonly Sight[]): Check[] {
  const tick = worstOf(sights.filter(({ writer }) => writer !== undefined))
  if (Math.abs(tick.offMs) > clockMsMax) return [skewed(tick)]
  const clicks = sights.filter(({ writer }) => writer === undefined)
  const early = worstOf(clicks.filter(({ offMs }) => offMs < 0))
  if (early.offMs < -clockMsMax) return [skewed(early)]
  const late = worstOf(clicks)
  if (late.offMs <= clockMsMax) return []
  return [
    warn(
      area,
      `A click came to the log ${durationText(late.offMs)} after a collector took it: its clock is behind the log's, or Kafka was slow. Look again in a minute, and set clocks by NTP.`,
    ),
  ]
}

function worstOf(sights: readonly Sight[]): Sight {
  const agrees: Sight = { writer: undefined, offMs: 0 }
  return sights.reduce(
    (worst, sight) => (Math.abs(sight.offMs) > Math.abs(worst.offMs) ? sight : worst),
    agrees,
  )
}

function skewed({ writer, offMs }: Sight): Check {
  const who = writer === undefined ? '' : ` (${writer})`
  const where = offMs > 0 ? 'behind' : 'ahead of'
  const by = durationText(Math.abs(offMs))
  return wrong(area, `A collector's clock${who} is ${by} ${where} the log's: set both by NTP.`)
}
