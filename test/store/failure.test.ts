import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { failureOf, passing, storeError } from '../../services/store/failure.ts'
import { temporaryEngine } from './fixture.ts'

const engine = temporaryEngine()
after(() => engine.remove())

test('the numbers of what passes are those of the engine', async () => {
  const store = await engine.open()
  for (const [code, name] of Object.entries(passing)) {
    const sql = 'SELECT errorCodeToName({code:Int32}) AS name'
    const [row] = await store.query<{ name: string }>(sql, { code })
    assert.equal(name.replace(/:.*/, ''), row!.name)
  }
  await store.close()
})

test('what a server says is told without its version, by its name', () => {
  const said =
    "Code: 252. DB::Exception: Too many parts (3000) in table 'ebb.t'. (TOO_MANY_PARTS) (version 25.8.1.1 (official build))\n"
  assert.deepEqual(failureOf(new Error(said)), {
    code: 252,
    type: 'TOO_MANY_PARTS',
    message: "Too many parts (3000) in table 'ebb.t'.",
  })
})

test('what passes is tried again, what does not is not', () => {
  const ofCode = (code: number) =>
    storeError(new Error(`Code: ${code}. DB::Exception: so (SO)`), 'rows').message
  const codes = { 252: true, 241: true, 242: true, 243: true, 60: false, 164: false, 774: false }
  for (const [code, retriable] of Object.entries(codes)) {
    const error = storeError(new Error(`Code: ${code}. DB::Exception: so (SO)`), 'rows')
    assert.equal('retriable' in error && error.retriable, retriable, ofCode(Number(code)))
  }
  const cut = storeError(new Error('read ECONNRESET'), 'rows')
  assert.equal('retriable' in cut && cut.retriable, true, 'no answer says nothing against the rows')
})
