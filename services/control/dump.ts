/** `ebb log dump`: the log over the calls, as lines on standard output. */
import { EbbError } from '../base/errors.ts'
import { writeLines } from '../base/output.ts'
import type { Log } from '../log/log.ts'
import { dumpPartition } from '../processor/dump.ts'
import type { ProjectCalls } from './calls.ts'
import { firstClicksTopic } from './system.ts'

/** The part of the log that reading takes, over the calls, which know the topic of clicks alone. */
export function remoteLog(calls: ProjectCalls): Pick<Log, 'bounds' | 'read'> {
  return {
    bounds: (_topic, partition) => calls.bounds({ partition }),
    async read(_topic, partition, offset, bytesMax) {
      const records = await calls.read({ partition, offset, bytesMax })
      return records.map(record => ({
        ...record,
        value: record.value === null ? null : Buffer.from(record.value, 'base64'),
      }))
    },
  }
}

/** Without a partition the project must have only one. */
export async function dumpCommand(calls: ProjectCalls, asked: number | undefined): Promise<void> {
  const { partitions, epoch } = await calls.facts()
  if (asked === undefined && partitions > 1)
    throw new EbbError(
      'badInput',
      `The project has ${partitions} partitions, each a log of its own: choose one with --partition 0 .. ${partitions - 1}.`,
    )
  const partition = asked ?? 0
  if (partition >= partitions)
    throw new EbbError('badInput', `The project has the partitions 0 .. ${partitions - 1}.`)
  const count = { lines: 0, dead: 0 }
  const lines = dumpPartition(remoteLog(calls), firstClicksTopic, partition, epoch, count)
  if (!(await writeLines(process.stdout, lines))) return
  if (count.dead > 0)
    process.stderr.write(
      `${count.dead} records are dead letters and left out; the table rejects has them.\n`,
    )
}
