/** Records of one partition from an offset on, asked for once: for restores and dumps. */
import { EbbError } from '../../base/errors.ts'
import type { LogRecord } from '../log.ts'
import { recordBytes } from '../storage.ts'
import { readBatches } from './batches.ts'
import { checkOffset } from './feed.ts'
import { fetch } from './fetch.ts'
import type { Topic } from './topic.ts'
import { refusalOf } from './wire.ts'

const answerBytesMax = 8 * 1024 * 1024

/** As `read` of the port. Empty only at the end: a broker gives a batch at least. */
export async function readSome(
  topic: Topic,
  partition: number,
  offset: number,
  bytesMax: number,
): Promise<LogRecord[]> {
  // Kafka would take a negative one for a question of another kind.
  if (offset < 0) throw gone(topic, partition, offset)
  const limits = { waitMs: 0, partitionBytesMax: Math.max(1, Math.min(bytesMax, answerBytesMax)) }
  const [answer] = await topic.ask(partition, async leader => {
    const answers = await fetch(leader, topic.name, [{ partition, offset }], limits)
    const error = answers[0]?.error
    if (error && refusalOf(error) !== 'OFFSET_OUT_OF_RANGE') throw error
    return answers
  })
  if (!answer || answer.error) {
    await checkOffset(topic, partition, offset)
    throw gone(topic, partition, offset)
  }
  const records = await readBatches(answer.bytes, offset)
  return records.slice(0, lengthWithin(records, bytesMax))
}

function gone(topic: Topic, partition: number, offset: number): EbbError {
  const what = `Offset ${offset} of topic ${topic.name} partition ${partition} is not kept.`
  return new EbbError('offsetGone', what)
}

function lengthWithin(records: readonly LogRecord[], bytesMax: number): number {
  let sizeBytes = 0
  for (let length = 0; length < records.length; length++) {
    sizeBytes += recordBytes(records[length]!)
    if (sizeBytes > bytesMax && length > 0) return length
  }
  return records.length
}
