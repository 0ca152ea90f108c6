import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedStore, openEmbeddedStore } from '../../services/store/embedded.ts'

/** A directory for the engine and how to open it; one at a time in a process. */
export function temporaryEngine() {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-store-'))
  return {
    directory,
    open: (): Promise<EmbeddedStore> => openEmbeddedStore({ directory, database: 'ebb' }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** For `assert.rejects`: an EbbError of this code whose message fits. */
export function refusal(code: string, message: RegExp) {
  return (error: Error & { code?: string }) => {
    if (error.code === code && message.test(error.message)) return true
    throw new Error(`expected ${code} ${message}, got ${error.code}: ${error.message}`)
  }
}
