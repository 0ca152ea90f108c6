/** History gone, on the log of a single process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { makeTopics } from './fold-all.ts'
import { historyGone } from './history-gone.ts'
import { shopStartMs } from './shop.ts'

const dayMs = 86_400_000

historyGone(async t => {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-history-log-'))
  let logs = 0
  let appends = 0
  // Behind the shop's own time, so that the writers' stamps count; a day between two batches, so that
  // retention can drop any of them.
  const clock = () => shopStartMs + (10 + appends) * dayMs
  const openNew = async () => {
    const log = await openEmbeddedLog({ directory: join(directory, `${logs++}`), clock })
    await makeTopics(log, 1)
    return log
  }
  let log = await openNew()
  t.after(async () => {
    await log.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return {
    log: () => ({
      ...log,
      append(...args) {
        appends++
        return log.append(...args)
      },
    }),
    async dropBefore(offset) {
      const [record] = await log.read('clicks', 0, offset, 1)
      const retentionMs = clock() - record!.appendMs
      const retentionBytes = Number.POSITIVE_INFINITY
      await log.ensure('clicks', { partitions: 1, retentionMs, retentionBytes })
      await log.retain()
    },
    async makeAnew() {
      await log.close()
      log = await openNew()
    },
  }
})
