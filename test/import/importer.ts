/** A process that imports FILE onto the log in DIRECTORY, a few clicks at a time, and says each; to be killed. */
import { Readable } from 'node:stream'
import { logSink } from '../../services/collector/import/append.ts'
import { importFiles } from '../../services/collector/import/import.ts'
import { readMapping } from '../../services/collector/import/mapping.ts'
import { openTarget } from './embedded.ts'
import { nowMs } from './fixture.ts'

const [directory, path] = process.argv.slice(2)
const target = await openTarget(directory!)
await importFiles({
  files: [path!],
  mapping: readMapping({}),
  sink: logSink(target, 40),
  temporaryDirectory: target.temporaryDirectory,
  stdin: Readable.from([]),
  nowMs: () => nowMs,
  reject: async () => undefined,
  onProgress: ({ stage }) => process.stdout.write(stage === 'writing' ? '.' : ''),
})
await target.close()
