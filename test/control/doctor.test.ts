/** `ebb doctor` on a directory, whether Ebb runs there or not. What servers need is in test/servers/doctor.test.ts. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { ebb, startUp, type Up } from './ebb.ts'

let cwd: string
let up: Up

before(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'ebb-doctor-'))
  up = await startUp(cwd, '--no-demo')
})

after(async () => {
  if (up.child.exitCode === null && up.child.signalCode === null) await up.stop('SIGKILL')
  rmSync(cwd, { recursive: true, force: true })
})

test('status 2 where there is nothing to look at', async () => {
  const { status, stderr } = await ebb(['doctor', '--data', 'nowhere'], cwd)
  assert.equal(status, 2)
  assert.match(stderr, /no project in nowhere/)
})

test('a line for each check and status 0, while Ebb runs and when it does not', async () => {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ userId: 'ada', event: 'home' })
  await fetch(`${up.collector}/v1/track`, { method: 'POST', headers, body })
  const look = async () => {
    const { status, stdout, stderr } = await ebb(['doctor'], cwd)
    assert.equal(status, 0, stdout + stderr)
    for (const line of stdout.trim().split('\n')) assert.match(line, /^(ok|warn) +\S+ +\S.*\.$/)
    for (const area of ['ClickHouse', 'schema', 'partitions', 'changes', 'deliveries', 'disk'])
      assert.match(stdout, new RegExp(`^\\w+ +${area} `, 'm'))
    return stdout
  }
  assert.match(await look(), /4 partitions, and none stands still/)
  assert.equal(await up.stop('SIGINT'), 0)
  assert.match(await look(), /4 partitions, and none stands still/)
})

test('rows that were lost are found by the audit, and the doctor tells of it', async () => {
  const store = await openEmbeddedStore({
    directory: join(cwd, 'data/clickhouse'),
    database: 'ebb',
  })
  await store.command('TRUNCATE TABLE sessions')
  await store.close()
  up = await startUp(cwd, '--no-demo')
  await ebb(['audit'], cwd)
  const { status, stdout } = await ebb(['doctor'], cwd)
  assert.equal(status, 1, stdout)
  assert.match(stdout, /^wrong +audit +1 difference in sessions/m)
})
