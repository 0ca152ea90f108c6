/**
 * A child of kafka-group.test.ts: owns its share of a topic until it is killed or its standard input ends, beginning
 * each partition at offset 0 or where FROM says, and prints what happens: `open 0`, `records 0 5 8`, `close 0 lost`.
 */
import { createLogger } from '../../services/base/logger.ts'
import { openKafkaLog } from '../../services/log/kafka.ts'

const [brokers, topic, group, sessionMsMax] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
]
const log = await openKafkaLog({
  brokers: brokers.split(','),
  logger: createLogger(),
  sessionMsMax: Number(sessionMsMax),
})

/** Synchronous for a pipe: a line is out before anything else happens. */
function say(...words: readonly (string | number)[]): void {
  process.stdout.write(`${words.join(' ')}\n`)
}

const ownership = await log.own(topic, group, {
  async open(partition) {
    say('open', partition)
    return (await log.bounds(topic, partition)).startOffset
  },
  async records(partition, batch, lease) {
    say('records', partition, batch[0]!.offset, batch.at(-1)!.offset + 1)
    await lease.commit(batch.at(-1)!.offset + 1)
  },
  async close(partition, lost) {
    say('close', partition, lost ? 'lost' : 'in order')
  },
  failed(partition, error) {
    say('failed', partition, error.message)
  },
})

// The log alone keeps this process alive.
process.stdin.unref()
process.stdin.resume().once('end', async () => {
  await ownership.stop()
  await log.close()
  say('ended')
})
