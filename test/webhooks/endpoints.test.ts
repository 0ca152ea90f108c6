import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import type { Store } from '../../services/store/store.ts'
import {
  addEndpoint,
  checkUrl,
  disableEndpoint,
  listEndpoints,
  openSecretKey,
  removeEndpoint,
  signingEndpoints,
} from '../../services/webhooks/endpoints.ts'
import { makeSecretKey, secretKeyPath } from '../../services/webhooks/secrets.ts'
import { type Data, newDirectory, openData, removeDirectory, start } from './fixture.ts'

const directory = newDirectory()
const nowMs = 1_700_000_000_123
let data: Data
before(async () => {
  data = await openData(directory)
})
after(async () => {
  await data.close()
  removeDirectory(directory)
})
beforeEach(() => data.store.command('TRUNCATE TABLE endpoints'))

test('an endpoint is listed without its secret, which signs and is stored sealed', async () => {
  const { store, key } = data
  const { id, url, secret } = await addEndpoint(store, key, 'https://example.com/hook#x', nowMs)
  assert.equal(url, 'https://example.com/hook')
  assert.deepEqual(await listEndpoints(store), [{ id, url, disabled: false, changedMs: nowMs }])
  assert.equal((await signingEndpoints(store, key))[0]!.secret, secret)
  const rows = JSON.stringify(await store.query('SELECT * FROM endpoints'))
  assert.ok(!rows.includes(secret.slice('whsec_'.length)))
})

test('the newest revision counts: disabled, then removed, with no secret left', async () => {
  const { store, key } = data
  const { id } = await addEndpoint(store, key, 'https://example.com/', nowMs)
  const other = await addEndpoint(store, key, 'https://example.com/', nowMs)
  await disableEndpoint(store, id, nowMs + 1)
  assert.deepEqual(
    (await listEndpoints(store)).map(({ disabled }) => disabled),
    [false, true],
  )
  await removeEndpoint(store, id, nowMs + 2)
  assert.deepEqual(
    (await listEndpoints(store)).map(endpoint => endpoint.id),
    [other.id],
  )
  const [row] = await store.query<{ secret: string }>(
    'SELECT secret FROM endpoints WHERE endpoint_id = {id:String} AND removed',
    { id },
  )
  assert.equal(row!.secret, '')
})

test('a removed endpoint stays removed, though Ebb disables it at the same moment', async () => {
  const { store, key } = data
  const { id } = await addEndpoint(store, key, 'https://example.com/', nowMs)
  // Both have read the same revision before either writes.
  let writing = 0
  const both = Promise.withResolvers<void>()
  const late: Store = {
    ...store,
    async insert(table, rows) {
      if (++writing === 2) both.resolve()
      await both.promise
      return store.insert(table, rows)
    },
  }
  await Promise.all([removeEndpoint(late, id, nowMs + 1), disableEndpoint(late, id, nowMs + 2)])
  assert.deepEqual(
    await store.query('SELECT revision, removed FROM endpoints ORDER BY revision, removed'),
    [
      { revision: '1', removed: false },
      { revision: '2', removed: false },
      { revision: '3', removed: true },
    ],
  )
  assert.deepEqual(await listEndpoints(store), [])
})

test('an endpoint that is not there cannot be removed, nor one twice', async () => {
  const { store, key } = data
  const { id } = await addEndpoint(store, key, 'https://example.com/', nowMs)
  await removeEndpoint(store, id, nowMs)
  await assert.rejects(removeEndpoint(store, id, nowMs), { code: 'badInput' })
  await assert.rejects(removeEndpoint(store, 'none', nowMs), { code: 'badInput' })
})

test('a URL that is none, of another kind, with credentials or too long is refused', () => {
  assert.equal(checkUrl('http://localhost:8080'), 'http://localhost:8080/')
  for (const url of ['', 'example.com', 'ftp://example.com', 'javascript:alert(1)', 'http://'])
    assert.throws(() => checkUrl(url), { code: 'badInput' }, url)
  assert.throws(() => checkUrl(`https://example.com/${'x'.repeat(2048)}`), { code: 'badInput' })
  assert.throws(
    () => checkUrl('https://user:hunter2@example.com/'),
    (error: Error) => /user or a password/.test(error.message) && !/hunter2/.test(error.message),
  )
})

test('a missing key is an error once an endpoint needs it, a foreign one at the start', async () => {
  const { store, key } = data
  const path = secretKeyPath(directory)
  await addEndpoint(store, key, 'https://example.com/', nowMs)
  renameSync(path, `${path}.away`)
  await assert.rejects(openSecretKey(store, directory), { code: 'secretKeyMissing' })
  const foreign = await makeSecretKey(path)
  await assert.rejects(start({ ...data, key: foreign }), { code: 'secretKeyWrong' })
  renameSync(`${path}.away`, path)
  assert.deepEqual(await openSecretKey(store, directory), key)
})
