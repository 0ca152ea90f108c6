/** A child of embedded.test.ts: appends until it is killed, and prints each acknowledgement. */
import { openEmbeddedLog } from '../../services/log/embedded.ts'

const directory = process.argv[2]!
const log = await openEmbeddedLog({ directory, clock: () => 0 })
await log.ensure('clicks', {
  partitions: 2,
  retentionMs: Number.POSITIVE_INFINITY,
  retentionBytes: Number.POSITIVE_INFINITY,
})

async function write(writer: string, partition: number): Promise<never> {
  for (let number = 0; ; number++) {
    const append = `${writer} ${number}`
    const values = ['a', 'b', 'c'].map(part => Buffer.from(`${append} ${part}`))
    const offset = await log.append(
      'clicks',
      partition,
      values.map(value => ({ key: writer, value })),
    )
    // Synchronous for a pipe: a line is out before the next append begins.
    process.stdout.write(`${partition} ${offset} ${append}\n`)
  }
}

await Promise.all(
  [0, 1, 0, 1].map((partition, index) => write(`${process.pid}.${index}`, partition)),
)
