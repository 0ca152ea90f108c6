/** A collector on a log on disk, for a test to kill: `node load.ts DIRECTORY`; says its URL when it listens. */
import { after, wallClock } from '../../services/base/time.ts'
import { startCollector } from '../../services/collector/collector.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import type { Log } from '../../services/log/log.ts'
import { silent, topic } from './fixture.ts'

const log = await openEmbeddedLog({ directory: process.argv[2]!, clock: wallClock })
await log.ensure(topic, { partitions: 4, retentionMs: Infinity, retentionBytes: Infinity })
/** As slow as a busy disk, so that an answer which does not wait for it comes well before. */
const slowLog: Log = {
  ...log,
  async append(...records) {
    await new Promise<void>(resolve => after(5, resolve))
    return log.append(...records)
  },
}
const { url } = await startCollector({
  log: slowLog,
  store: { insert: async () => {} },
  topic,
  host: '127.0.0.1',
  port: 0,
  clock: wallClock,
  live: false,
  logger: silent,
})
process.stdout.write(`${url}\n`)
