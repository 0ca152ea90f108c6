import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { temporaryEngine } from './fixture.ts'

const engine = temporaryEngine()
after(() => engine.remove())

const batchRows = 200

/** Inserts batches for ever and prints the number of each once it is acknowledged. */
const writer = `import { openEmbeddedStore } from '${import.meta.resolve('../../services/store/embedded.ts')}'
  const [directory, first] = process.argv.slice(1)
  const store = await openEmbeddedStore({ directory, database: 'ebb' })
  await store.command(\`CREATE TABLE IF NOT EXISTS batches (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY batch
    SETTINGS fsync_after_insert = 1, fsync_part_directory = 1\`)
  for (let batch = Number(first); ; batch++) {
    await store.insert('batches', Array.from({ length: ${batchRows} }, (_, n) => ({ batch, n })))
    console.log(batch)
  }`

/** Kills the writer with SIGKILL right after its `count`th acknowledgement; returns all that were seen. */
async function writeAndKill(first: number, count: number): Promise<number[]> {
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    writer,
    engine.directory,
    String(first),
  ])
  const exited = once(child, 'exit')
  const acknowledged: number[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line))
    if (acknowledged.length === count) child.kill('SIGKILL')
  }
  const [, signal] = await exited
  assert.equal(signal, 'SIGKILL')
  return acknowledged
}

test('kill -9 in the middle of inserts loses nothing acknowledged and leaves no half batch', async () => {
  const acknowledged: number[] = []
  for (const [round, count] of [1, 7, 20].entries()) {
    acknowledged.push(...(await writeAndKill(round * 1000, count)))
    const store = await engine.open()
    const rows = await store.query<{ batch: number; rows: string }>(
      'SELECT batch, count() AS rows FROM batches GROUP BY batch ORDER BY batch',
    )
    await store.close()
    const stored = new Set(rows.map(({ batch }) => batch))
    assert.deepEqual(
      acknowledged.filter(batch => !stored.has(batch)),
      [],
    )
    assert.deepEqual(
      rows.filter(({ rows }) => Number(rows) !== batchRows),
      [],
    )
    const unseen = rows.length - acknowledged.length
    assert.ok(unseen <= round + 1, 'at most the batch in flight is there unacknowledged')
  }
})
