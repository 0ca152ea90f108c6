/** A collector on a log on disk, for a test to kill: `node load.ts DIRECTORY`; says its URL when it listens. */
import { wallClock } from '../../services/base/time.ts'
import { startCollector } from '../../services/collector/collector.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { silent, topic } from './fixture.ts'

const log = await openEmbeddedLog({ directory: process.argv[2]!, clock: wallClock })
await log.ensure(topic, { partitions: 4, retentionMs: Infinity, retentionBytes: Infinity })
const { url } = await startCollector({
  log,
  store: { insert: async () => {} },
  topic,
  host: '127.0.0.1',
  port: 0,
  clock: wallClock,
  live: false,
  logger: silent,
})
process.stdout.write(`${url}\n`)
