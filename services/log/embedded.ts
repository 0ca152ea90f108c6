/** The log of a single process, in one file: durable, and nothing to install. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { EbbError } from '../base/errors.ts'
import { every } from '../base/time.ts'
import { type LocalLog, openLocalLog } from './local.ts'
import { openDatabase, sqliteStorage } from './sqlite.ts'

const retainIntervalMs = 60_000

/**
 * Opens, or makes, `log.sqlite` in the directory; throws `directoryLocked` while another process has it. From
 * here until `close` retention runs by itself.
 */
export async function openEmbeddedLog({
  directory,
  clock,
}: {
  directory: string
  clock: () => number
}): Promise<LocalLog> {
  mkdirSync(directory, { recursive: true })
  const log = openLocalLog(sqliteStorage(openDatabase(join(directory, 'log.sqlite'))), clock)
  const stopRetaining = every(retainIntervalMs, () => {
    log.retain().catch(passOver)
  })
  return {
    ...log,
    async close() {
      stopRetaining()
      await log.close()
    },
  }
}

/** A full disk stops retention until there is room; appends say so meanwhile. All else ends the process. */
function passOver(error: unknown): void {
  if (!(error instanceof EbbError && error.retriable)) throw error
}
