/** Projects that nobody harmed: the real files of the handbook, and the demo shop. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { audit, type Findings } from '../../services/audit/audit.ts'
import type { AuditSource } from '../../services/audit/source.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { openEmbeddedStore } from '../../services/store/embedded.ts'
import { clicksFile, ordersFile, skip } from '../real/files.ts'
import { importFile, openProject } from '../real/project.ts'

async function auditAll(source: AuditSource, t: TestContext): Promise<Findings> {
  const findings = await audit(source, 0)
  for (const { kind, checked, examples, notes } of Object.values(findings)) {
    t.diagnostic(`${kind}: ${checked} checked`)
    assert.deepEqual(examples, [])
    assert.deepEqual(notes, [])
  }
  return findings
}

for (const [name, file, users] of [
  ['clicks of a shop', clicksFile, 600],
  ['orders of a shop', ordersFile, 4_372],
] as const)
  test(`the ${name}, imported: nothing differs`, { skip }, async t => {
    const project = await openProject({ log: 'embedded', partitions: 4 })
    t.after(() => project.close())
    project.nowMs = Date.UTC(2024, 6, 2)
    await importFile(project, file)
    await project.broadcast({ kind: 'live', atMs: project.nowMs })
    await project.fold()
    const { log, store } = project
    const shared = { topic: 'clicks', partitions: 4, project: 'default', epoch: 0 }
    const findings = await auditAll({ log, store, ...shared }, t)
    assert.equal(findings.users.checked, users)
  })

test('the demo shop, three days into its story: nothing differs', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-audit-demo-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const script = fileURLToPath(new URL('../demo/child.ts', import.meta.url))
  const child = spawn(process.execPath, [script, directory, '3'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '16', NODE_NO_WARNINGS: '1' },
  })
  t.after(() => child.kill('SIGKILL'))
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: () => 4e12 })
  const store = await openEmbeddedStore({
    directory: join(directory, 'clickhouse'),
    database: 'ebb',
  })
  const source = { log, store, topic: 'clicks', partitions: 4, project: 'demo', epoch: 0 }
  const findings = await auditAll(source, t)
  assert.ok(findings.alerts.checked > 0 && findings.sessions.checked > 1_000)
  await store.close()
  await log.close()
})
