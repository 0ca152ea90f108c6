/** A process of little memory that prints an import of FILE, and says what came out. */
import { Readable, Writable } from 'node:stream'
import { importFiles } from '../../services/collector/import/import.ts'
import { readMapping } from '../../services/collector/import/mapping.ts'
import { printSink } from '../../services/collector/import/print.ts'
import { nowMs } from './fixture.ts'

const [temporaryDirectory, path, order] = process.argv.slice(2)
let lines = 0
let lastMs = 0
let isSorted = true
let cents = 0
const output = new Writable({
  write(chunk, _encoding, done) {
    for (const line of chunk.toString().split('\n').slice(0, -1)) {
      const { timestamp, properties } = JSON.parse(line)
      lines++
      cents += Math.round(properties.revenue * 100)
      if (timestamp < lastMs) isSorted = false
      lastMs = timestamp
    }
    done()
  },
})
await importFiles({
  files: [path!],
  mapping: readMapping({ value: 'price', ...(order ? { order } : {}) }),
  sink: printSink(output),
  temporaryDirectory: temporaryDirectory!,
  stdin: Readable.from([]),
  nowMs: () => nowMs,
  reject: async () => undefined,
  onProgress: () => undefined,
  sortMemoryBytesMax: 2 * 1024 * 1024,
})
process.stdout.write(JSON.stringify({ lines, isSorted, cents }))
