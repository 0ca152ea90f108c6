import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedStore, openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'

/** A directory for the engine and how to open it; one at a time in a process. */
export function temporaryEngine() {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-store-'))
  return {
    directory,
    open: (): Promise<EmbeddedStore> => openEmbeddedStore({ directory, database: 'ebb' }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** Ebb's tables, empty; gone behind the test whose context `scope` is, or with `{ after }` of node:test behind the file. */
export async function openMigrated(scope: {
  after(work: () => Promise<void>): void
}): Promise<EmbeddedStore> {
  const { open, remove } = temporaryEngine()
  const store = await open()
  scope.after(async () => {
    await store.close()
    remove()
  })
  await migrate(store)
  return store
}

/** For `assert.rejects`: an EbbError of this code whose message fits. */
export function refusal(code: string, message: RegExp) {
  return (error: Error & { code?: string }) => {
    if (error.code === code && message.test(error.message)) return true
    throw new Error(`expected ${code} ${message}, got ${error.code}: ${error.message}`)
  }
}
