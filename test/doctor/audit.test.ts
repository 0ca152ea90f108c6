/** What the doctor says of an audit that is not there, or of long ago; one that found something: test/servers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examineAudit } from '../../services/doctor/audit.ts'
import { rowTime } from '../../services/store/rows.ts'
import { openMigrated } from '../store/fixture.ts'

test('no audit, and one of four days ago, are warnings', async t => {
  const store = await openMigrated(t)
  const atMs = Date.UTC(2026, 0, 1)
  const says = async (nowMs: number) => {
    const [check] = await examineAudit(store, () => nowMs)
    return `${check!.level} ${check!.says}`
  }
  assert.match(await says(atMs), /^warn There was none yet: ebb audit makes one/)
  const at = rowTime(atMs)
  await store.insert('audits', [
    {
      ...{ kind: 'sessions', checked: 7, differences: 0, examples: [], notes: [] },
      ...{ started_at: at, finished_at: at },
    },
  ])
  assert.match(await says(atMs + 86_400_000), /^ok No difference in 7 rows and records/)
  assert.match(await says(atMs + 4 * 86_400_000), /^warn The last one is 4 d old: is a processor/)
})
