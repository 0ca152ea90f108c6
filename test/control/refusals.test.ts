/** What a command says that cannot do its work: what happened, and what is true behind a command that has ended. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ebb } from './ebb.ts'

const nowhere = ['--kafka', '127.0.0.1:1', '--clickhouse', 'http://127.0.0.1:1']

test('a number of workers that is none is refused', async () => {
  for (const workers of ['abc', '0', '-1', '1.5', '65']) {
    // Were it taken, the address would be refused: no test runs a processor.
    const args = ['processor', '--workers', workers, '--clickhouse', 'nowhere']
    const { status, stderr } = await ebb(args, tmpdir())
    assert.equal(status, 1, stderr)
    assert.match(stderr, /'--workers <number>' argument '\S+' is invalid\. .* from 1 to 64\./)
  }
})

test('a command that ends without Kafka or ClickHouse says to give it again, not that Ebb tries again', async () => {
  const looking = await ebb(['rules', 'list', ...nowhere], tmpdir())
  assert.equal(looking.status, 1)
  assert.match(
    looking.stderr,
    /Kafka.* The command has ended: give it again when Kafka answers\.\n$/s,
  )
  // Of a command that may begin a project the tables are asked first.
  const applying = await ebb(['rules', 'apply', '-', ...nowhere], tmpdir(), '{"id":"week"}')
  assert.equal(applying.status, 1)
  assert.match(
    applying.stderr,
    /ClickHouse refused .* The command has ended: give it again when ClickHouse answers\.\n$/s,
  )
})

test('an import that would go back in time names the way, and says nothing against it', async t => {
  const cwd = mkdtempSync(join(tmpdir(), 'ebb-refusals-'))
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  const imported = (year: number) => {
    writeFileSync(join(cwd, `${year}.csv`), `user,time\nada,${year}-01-01T00:00:00Z\n`)
    const args = ['import', '--user', 'user', '--time', 'time', '--event', 'home', `${year}.csv`]
    return ebb([...args, '--data', 'data'], cwd)
  }
  const first = await imported(2026)
  assert.equal(first.status, 0, first.stderr)
  const { status, stderr } = await imported(2025)
  assert.equal(status, 1)
  assert.match(stderr, / to ebb rebuild, which .* and theirs\. Nothing was changed\.\n$/)
})
