import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  makeSecretKey,
  readSecretKey,
  seal,
  secretKeyPath,
  unseal,
} from '../../services/webhooks/secrets.ts'

let directory = ''
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'ebb-secrets-'))
})
after(() => rmSync(directory, { recursive: true }))

const madeAt = (name: string) => makeSecretKey(join(directory, name))

test('a sealed secret opens for its endpoint, and shows nothing of itself', async () => {
  const key = await madeAt('a.key')
  const sealed = seal(key, 'e1', 'whsec_secret')
  assert.equal(unseal(key, 'e1', sealed), 'whsec_secret')
  assert.ok(sealed.startsWith(`${key.id}.`))
  assert.ok(!Buffer.from(sealed.split('.')[1]!, 'base64url').includes('secret'))
  assert.notEqual(seal(key, 'e1', 'whsec_secret'), sealed)
})

test('a secret sealed for one endpoint does not open for another', async () => {
  const key = await madeAt('b.key')
  const sealed = seal(key, 'e1', 'whsec_secret')
  assert.throws(() => unseal(key, 'e2', sealed), { code: 'secretKeyWrong' })
  assert.throws(
    () => unseal(key, 'e1', `${sealed.slice(0, -1)}${sealed.endsWith('A') ? 'Q' : 'A'}`),
    {
      code: 'secretKeyWrong',
    },
  )
  assert.throws(() => unseal(key, 'e1', `${key.id}.`), { code: 'secretKeyWrong' })
})

test('the wrong key is named, and the key itself is not', async () => {
  const [one, other] = [await madeAt('c.key'), await madeAt('d.key')]
  const sealed = seal(one, 'e1', 'whsec_secret')
  assert.throws(() => unseal(other, 'e1', sealed), {
    code: 'secretKeyWrong',
    message: `The secret of endpoint e1 was sealed with key ${one.id}; the key file holds ${other.id}.`,
  })
})

test('the key file is for its owner alone, is made once and leaves no draft', async () => {
  const path = secretKeyPath(directory)
  const [one, other] = await Promise.all([makeSecretKey(path), makeSecretKey(path)])
  assert.deepEqual(one, other)
  assert.deepEqual(await readSecretKey(path), one)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(
    readdirSync(directory).filter(name => name.startsWith('secret.key')),
    ['secret.key'],
  )
  assert.ok(!one.id.includes(readFileSync(path, 'utf8').trim()))
})

test('no key file is no key; one of another length is refused', async () => {
  assert.equal(await readSecretKey(join(directory, 'none.key')), undefined)
  writeFileSync(join(directory, 'short.key'), Buffer.alloc(16).toString('base64'))
  await assert.rejects(readSecretKey(join(directory, 'short.key')), { code: 'secretKeyWrong' })
})
