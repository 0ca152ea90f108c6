import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { serveStore } from '../../services/store/http.ts'
import { openServerStore } from '../../services/store/server.ts'
import { storeContract } from './contract.ts'
import { refusal, temporaryEngine } from './fixture.ts'

const engine = temporaryEngine()
after(() => engine.remove())

describe('the store on a server keeps the contract', () => {
  storeContract(async () => {
    const served = await engine.open()
    const server = await serveStore({ store: served, host: '127.0.0.1', port: 0, users: 'write' })
    const url = `http://127.0.0.1:${server.port}`
    const store = await openServerStore({ url, database: 'ebb', user: 'writer' })
    const close = async () => {
      await store.close()
      await assert.rejects(store.query('SELECT 1'), refusal('storeRefused', /closed/))
      await server.close()
      await served.close()
    }
    return { store, close }
  })
})

describe('a server', () => {
  test('that is not there is refused for now', async () => {
    const nowhere = { url: 'http://127.0.0.1:1', database: 'ebb' }
    await assert.rejects(openServerStore(nowhere), refusal('storeRefused', /ECONNREFUSED/))
  })
})
