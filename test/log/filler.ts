/** A child of embedded.test.ts: fills a small file system, makes room, appends once more, and prints the result. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EbbError } from '../../services/base/errors.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'

const directory = process.argv[2]!
const ballast = join(directory, 'ballast')
writeFileSync(ballast, Buffer.alloc(1024 * 1024))

const log = await openEmbeddedLog({ directory, clock: () => 0 })
await log.ensure('clicks', {
  partitions: 1,
  retentionMs: Number.POSITIVE_INFINITY,
  retentionBytes: Number.POSITIVE_INFINITY,
})
const record = { key: 'user', value: Buffer.alloc(20_000) }
let acknowledged = 0
let refused = ''
while (refused === '' && acknowledged < 1000)
  try {
    await log.append('clicks', 0, [record])
    acknowledged++
  } catch (error) {
    refused = error instanceof EbbError ? error.code : String(error)
  }
rmSync(ballast)
const afterwards = await log.append('clicks', 0, [record])
await log.close()

const again = await openEmbeddedLog({ directory, clock: () => 0 })
const kept = (await again.read('clicks', 0, 0, Number.POSITIVE_INFINITY)).length
console.log(JSON.stringify({ acknowledged, refused, afterwards, kept }))
await again.close()
