/** A shop's clicks, imported and folded by the real processor: its sessions are those that the file names itself. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { readTime } from '../../services/store/rows.ts'
import { askExample } from './examples.ts'
import { clicksFile, skip } from './files.ts'
import { importFile, openProject, type Project } from './project.ts'

interface FileRow {
  readonly user: string
  readonly session: string
  readonly event: string
  readonly timeMs: number
}

/** The file's rows as they stand there; it has no quotes. */
function readRows(): FileRow[] {
  const lines = gunzipSync(readFileSync(clicksFile)).toString().trimEnd().split('\n')
  return lines.slice(1).map(line => {
    const [user, session, event, time] = line.split(',') as [string, string, string, string]
    return { user, session, event, timeMs: Date.parse(`${time.replace(' ', 'T')}Z`) }
  })
}

let rows: FileRow[] = []
let project: Project

before(async () => {
  if (skip) return
  rows = readRows()
  project = await openProject({ log: 'embedded', partitions: 4 })
  project.nowMs = Date.UTC(2024, 6, 2)
  await importFile(project, clicksFile)
  // Imports are over: the clock of every partition passes all sessions' ends.
  await project.broadcast({ kind: 'live', atMs: project.nowMs })
  await project.fold()
})

after(() => project?.close())

/** A session as the text of all its clicks: twins count twice, and the order within a second is nobody's. */
function contentOf(user: string, clicks: readonly { event: string; timeMs: number }[]): string {
  const texts = clicks.map(({ event, timeMs }) => `${timeMs} ${event}`)
  return [user, ...texts.sort()].join('\n')
}

test('the table sessions has exactly the 3,605 sessions of the file, with the same clicks', {
  skip,
}, async () => {
  const joined = await project.store.query<{
    user_id: string
    session_id: string
    clicks: number
    names: string[]
    content: { name: string; at: string }[]
  }>(
    `SELECT s.user_id AS user_id, s.session_id AS session_id, s.clicks AS clicks,
            groupUniqArray(JSONExtractString(c.properties, 'session_id')) AS names,
            groupArray(CAST((c.name, c.timestamp), 'Tuple(name String, at DateTime64(3, \\'UTC\\'))')) AS content
     FROM sessions AS s FINAL INNER JOIN clicks AS c FINAL ON c.user_id = s.user_id
     WHERE s.final AND c.timestamp BETWEEN s.start AND s.end
     GROUP BY user_id, session_id, clicks`,
  )
  const expected = new Map<string, FileRow[]>()
  for (const row of rows) expected.set(row.session, [...(expected.get(row.session) ?? []), row])
  assert.equal(expected.size, 3605)
  assert.equal(joined.length, 3605)
  for (const { names, user_id, clicks, content } of joined) {
    assert.equal(names.length, 1, 'a session of Ebb is within one of the file')
    const own = expected.get(names[0]!)!
    const found = content.map(({ name, at }) => ({ event: name, timeMs: readTime(at) }))
    assert.equal(contentOf(user_id, found), contentOf(own[0]!.user, own), names[0])
    assert.equal(clicks, own.length)
    expected.delete(names[0]!)
  }
  assert.equal(expected.size, 0, 'every session of the file is found once')
})

test('all 31,106 rows are accepted clicks, and no session is left open', { skip }, async () => {
  const [counts] = await project.store.query(
    `SELECT (SELECT countIf(verdict = 'accepted') FROM clicks FINAL) AS accepted,
            (SELECT count() FROM rejects FINAL) AS rejects,
            (SELECT count() FROM sessions FINAL) AS sessions,
            (SELECT sum(clicks) FROM sessions FINAL) AS inSessions`,
  )
  assert.deepEqual(counts, {
    accepted: '31106',
    rejects: '0',
    sessions: '3605',
    inSessions: '31106',
  })
  assert.equal(rows.length, 31_106)
})

const steps = ['product_view', 'add_to_cart', 'shipping_details', 'purchase']

/** How many steps a session took, one after the other: each at its first click not before the last one's. */
function stepsOf(clicks: readonly FileRow[]): number {
  let fromMs = Number.NEGATIVE_INFINITY
  for (const [at, step] of steps.entries()) {
    const times = clicks.filter(({ event }) => event === step).map(({ timeMs }) => timeMs)
    fromMs = Math.min(...times.filter(timeMs => timeMs >= fromMs))
    if (fromMs === Number.POSITIVE_INFINITY) return at
  }
  return steps.length
}

test('the funnel of docs/examples.md is that of the file', { skip }, async () => {
  const months = new Map<string, number[]>()
  for (const clicks of Map.groupBy(rows, ({ session }) => session).values()) {
    const beganMs = Math.min(...clicks.map(({ timeMs }) => timeMs))
    const month = `${new Date(beganMs).toISOString().slice(0, 7)}-01`
    const counts = months.get(month) ?? new Array<number>(steps.length + 1).fill(0)
    for (let step = 0; step <= stepsOf(clicks); step++) counts[step]!++
    months.set(month, counts)
  }
  const expected = [...months].sort().map(([month, counts]) => [month, ...counts])
  assert.ok(expected.length >= 3, 'several months')
  const found = await askExample<Record<string, unknown>>(project, 'A funnel within sessions')
  assert.deepEqual(
    found.map(row => Object.values(row)),
    expected,
  )
  assert.deepEqual(Object.keys(found[0]!), ['month', 'all_sessions', ...steps])
})
