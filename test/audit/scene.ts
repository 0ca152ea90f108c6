/** A project of real parts, its log folded by the real processor: what an audit looks at. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AuditSource } from '../../services/audit/source.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Control } from '../../services/log/record.ts'
import { type EmbeddedStore, openEmbeddedStore } from '../../services/store/embedded.ts'
import { migrate } from '../../services/store/migrate.ts'
import { foldAll, makeTopics } from '../processor/fold-all.ts'
import { type ShopOptions, shopLog } from '../processor/shop.ts'

export interface Scene {
  readonly log: Log
  readonly store: EmbeddedStore
  readonly source: AuditSource
  close(): Promise<void>
}

export const shop: ShopOptions = { seed: 20_260_105, clicks: 5_000, users: 200, stepMs: 9_000 }

/** A control record that each partition has behind that share of its clicks. */
export interface Turn {
  readonly share: number
  readonly control: Control
}

export async function openScene(partitions: number, turns: readonly Turn[] = []): Promise<Scene> {
  const scene = await fillScene(partitions, turns)
  await foldAll(scene.log, scene.store)
  return scene
}

/** The log is full, and nothing of it is folded yet. */
export async function fillScene(partitions: number, turns: readonly Turn[] = []): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-audit-'))
  let nowMs = 0
  const log = openMemoryLog({ clock: () => nowMs })
  const store = await openEmbeddedStore({ directory, database: 'ebb' })
  await migrate(store)
  await makeTopics(log, partitions)
  for (const [partition, entries] of shopLog(shop, partitions).entries())
    for (const [at, { atMs, record }] of entries.entries()) {
      nowMs = atMs
      for (const { share, control } of turns)
        if (at === Math.floor(share * entries.length))
          await log.append('clicks', partition, [{ key: null, value: encodeRecord(control) }])
      await log.append('clicks', partition, [record])
    }
  return {
    log,
    store,
    source: { log, store, topic: 'clicks', partitions, project: 'default', epoch: 0 },
    async close() {
      await log.close()
      await store.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
