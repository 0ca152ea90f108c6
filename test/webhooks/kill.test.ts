import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Webhook } from 'standardwebhooks'
import { defaultSettings } from '../../services/webhooks/webhooks.ts'
import { createPulse, newDirectory, openData, removeDirectory, startHook } from './fixture.ts'

const kills = 4
const alertsMax = 120
/** After a start, a kill comes at one of the next so many appends and requests. */
const momentsMax = 60
/** Attempts under way, and those whose rows wait for an insert. */
const openMax = defaultSettings.endpointMax + defaultSettings.unstoredMax

/** One in four requests fails; of these, half after the receiver has taken it. */
async function startFlaky(answered: Set<string>, event: () => void) {
  return startHook((response, nth, request) => {
    event()
    const id = request.headers['webhook-id'] as string
    if (nth % 8 === 3) return request.socket.resetAndDestroy()
    if (nth % 8 === 6) return response.writeHead(500).end()
    answered.add(id)
    return response.writeHead(204).end()
  })
}

test('kill -9 at any moment loses no delivery and changes no byte', {
  timeout: 120_000,
}, async t => {
  const directory = newDirectory()
  t.after(() => removeDirectory(directory))
  const appended: string[] = []
  const secrets: string[] = []
  const pulse = createPulse()
  let child: ChildProcess | undefined
  let momentsLeft = Infinity
  const event = () => {
    if (--momentsLeft === 0) child?.kill('SIGKILL')
    pulse.beat()
  }
  const answered = [new Set<string>(), new Set<string>()]
  const hooks = await Promise.all(answered.map(ids => startFlaky(ids, event)))

  async function runChild(): Promise<number | string> {
    const script = fileURLToPath(new URL('child.ts', import.meta.url))
    const urls = hooks.map(({ url }) => url)
    child = spawn(process.execPath, [script, directory, String(alertsMax), ...urls], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '16', NODE_NO_WARNINGS: '1' },
    })
    createInterface({ input: child.stdout! }).on('line', line => {
      const [word, id, secret] = line.split(' ')
      if (word === 'endpoint') secrets.push(secret!)
      if (word === 'appended') appended.push(id!)
      event()
    })
    const [code, signal] = await once(child, 'exit')
    return signal ?? code
  }

  const moments = Array.from({ length: kills }, () => 5 + Math.floor(Math.random() * momentsMax))
  console.log(`killed at events ${moments.join(', ')}`)
  for (const moment of moments) {
    momentsLeft = moment
    assert.equal(await runChild(), 'SIGKILL')
  }
  momentsLeft = Infinity
  const last = runChild()
  await pulse.until(() => answered.every(ids => ids.size === alertsMax))
  child!.kill('SIGTERM')
  assert.equal(await last, 0)

  hooks.forEach(({ hits }, at) => {
    for (const id of appended) assert.ok(answered[at]!.has(id), `${id} reached endpoint ${at}`)
    for (const { body, headers } of hits) new Webhook(secrets[at]!).verify(body, headers)
    const bodies = new Set(hits.map(hit => `${hit.id} ${hit.body}`))
    assert.equal(bodies.size, answered[at]!.size, 'one body per message')
    const failed = Math.floor(hits.length / 8) * 2 + 2
    assert.ok(hits.length <= alertsMax + failed + kills * openMax, `${hits.length} requests`)
  })
  const data = await openData(directory)
  const [totals] = await data.store.query<{ ends: string; open: string }>(
    `SELECT countIf(status = 'delivered') AS ends, countIf(next_at IS NOT NULL) AS open FROM (
       SELECT * FROM deliveries ORDER BY attempt DESC, version DESC LIMIT 1 BY message_id, endpoint_id)`,
  )
  assert.deepEqual({ ...totals }, { ends: String(alertsMax * 2), open: '0' })
  await data.close()
  await Promise.all(hooks.map(({ stop }) => stop()))
})
