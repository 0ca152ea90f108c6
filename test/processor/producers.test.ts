/** Producers of several versions on one topic (fault 29): what each of them sent counts alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { frame } from '../../services/log/avro.ts'
import { clickFields } from '../../services/log/click.ts'
import { decodeRecord } from '../../services/log/codec.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import type { Store } from '../../services/store/store.ts'
import { openMigrated } from '../store/fixture.ts'
import { foldAll, makeTopics, readTables } from './fold-all.ts'
import { shopLog } from './shop.ts'

const oldSchemaId = 1
const unknownSchemaId = 9_999
const clicks = 3_000

/** What the tables say of a shop in which every so manieth click is one of an old producer; 0: none. */
async function tablesOf(store: Store, everyNth: number, unknown = 0) {
  let nowMs = 0
  const log = openMemoryLog({ clock: () => nowMs })
  await makeTopics(log, 1)
  const [entries] = shopLog({ seed: 29, clicks, users: 100, stepMs: 60_000 }, 1)
  let old = 0
  for (const [at, { atMs, record }] of entries!.entries()) {
    nowMs = atMs
    const click = record.value && decodeRecord(record.value)
    const isOld = everyNth > 0 && at % everyNth === 0 && click && click.kind === 'click'
    if (isOld) old++
    const value = isOld ? frame(oldSchemaId, clickFields(click)) : record.value
    await log.append('clicks', 0, [{ key: record.key, value }])
  }
  // Of a version that is not known yet: behind all, so that places stay comparable.
  const later = Buffer.from([0, 0, 0, 0, 0, 1, 2, 3])
  later.writeInt32BE(unknownSchemaId, 1)
  for (let at = 0; at < unknown; at++) await log.append('clicks', 0, [{ key: 'u', value: later }])
  await foldAll(log, store)
  const tables = await readTables(store)
  const { progress: _, rejects, ...same } = tables
  const places = (rejects as { kind: string; offset: string }[]).map(
    ({ kind, offset }) => `${kind} ${offset}`,
  )
  for (const table of Object.keys(tables)) await store.command(`TRUNCATE TABLE ${table}`)
  return { ...same, places, old }
}

test('old and new producers together make what new ones alone do; those to come are counted', async t => {
  const store = await openMigrated(t)
  const { old: none, places, ...expected } = await tablesOf(store, 0)
  const { old, places: found, ...tables } = await tablesOf(store, 3, 5)
  assert.equal(none, 0)
  assert.ok(old > clicks / 4, `${old} clicks of an old producer`)
  assert.deepEqual(tables, expected)
  const isDead = (place: string) => place.startsWith('dead')
  assert.deepEqual(
    found.filter(place => !isDead(place)),
    places.filter(place => !isDead(place)),
  )
  assert.equal(found.filter(isDead).length, places.filter(isDead).length + 5)
})
