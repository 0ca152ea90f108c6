/** An import's target on a log that is durable. */
import type { ImportTarget } from '../../services/collector/import/target.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { nowMs } from './fixture.ts'

export const partitions = 4

export async function openTarget(directory: string): Promise<ImportTarget> {
  const log = await openEmbeddedLog({ directory, clock: () => nowMs })
  const forever = {
    retentionMs: Number.POSITIVE_INFINITY,
    retentionBytes: Number.POSITIVE_INFINITY,
  }
  await log.ensure('clicks', { partitions, ...forever })
  return {
    mode: 'historic',
    clockMs: null,
    partitions,
    temporaryDirectory: directory,
    append: (partition, records) => log.append('clicks', partition, records),
    bounds: partition => log.bounds('clicks', partition),
    read: (partition, offset, bytesMax) => log.read('clicks', partition, offset, bytesMax),
    reject: async () => undefined,
    close: () => log.close(),
  }
}
