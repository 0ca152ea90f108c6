/** One command at a time grows or rebuilds a project on servers. */
import assert from 'node:assert/strict'
import { afterEach, before, describe, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { growServers } from '../../services/control/growth.ts'
import { openMemoryLog } from '../../services/log/memory.ts'
import { type Claim, takeClaim, underClaim } from '../../services/rebuild/claim.ts'
import { beginEpoch, readEpochs } from '../../services/rebuild/epochs.ts'
import type { Store } from '../../services/store/store.ts'
import { createPulse } from '../webhooks/fixture.ts'
import { createRebuilders, kept, siteOf } from './rebuilder.ts'

const { open } = createRebuilders()
const claims: Claim[] = []
let store: Store

before(async () => {
  store = (await open('ebb')).store
})
afterEach(async () => {
  for (const { end } of claims.splice(0)) await end()
  await store.command('TRUNCATE TABLE claims')
})

const { signal: stopping } = new AbortController()

async function take(command: string, told: string[] = [], by: Store = store): Promise<Claim> {
  const tell = (sentence: string) => told.push(sentence)
  const claim = await takeClaim({ store: by, command, tell, stopping })
  claims.push(claim)
  return claim
}

/** As if the last signs of all claims had been given so long ago. */
async function age(seconds: number): Promise<void> {
  const rows = await store.query<{ claim: string; command: string }>(
    'SELECT DISTINCT claim, command FROM claims',
  )
  await store.command('TRUNCATE TABLE claims')
  for (const row of rows)
    await store.command(
      `INSERT INTO claims SELECT {claim:UUID}, {command:String}, now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}), false`,
      { ...row, seconds },
    )
}

const isLost = (error: unknown) => {
  assert.ok(error instanceof EbbError && error.code === 'claimLost', String(error))
  assert.match(error.message, /gave no sign of life for 20 s/)
  return true
}

test('another one that is alive is refused, and named; when it has ended, the next one goes on', async () => {
  const first = await take('the first command')
  await assert.rejects(take('the second'), /^EbbError: the first command is at work on the project/)
  await first.hold()
  await first.end()
  await (await take('the second')).hold()
})

test('of two in the same moment one at most goes on', async () => {
  const both = await Promise.allSettled([take('one'), take('other')])
  const refused = both.filter(({ status }) => status === 'rejected')
  assert.ok(refused.length > 0)
  for (const { reason } of refused as PromiseRejectedResult[])
    assert.match(String(reason), /is at work on the project/)
})

test('one that was killed is waited for, and said so', async () => {
  await store.command(
    `INSERT INTO claims SELECT generateUUIDv4(), 'the dead', now64(3, 'UTC') - INTERVAL 37 SECOND, false`,
  )
  const told: string[] = []
  await (await take('the next', told)).hold()
  assert.deepEqual(told.length, 1)
  assert.match(told[0]!, /^the dead was at work .* no sign for 40 s/)
})

test('who stood still for longer than its claim lasts has lost it, for good, and changes nothing', async () => {
  const pulse = createPulse()
  let signs = 0
  const counted: Store = {
    ...store,
    async command(sql, params) {
      await store.command(sql, params)
      if (!sql.startsWith('INSERT INTO claims')) return
      signs++
      pulse.beat()
    },
  }
  const claim = await take('the sleeper', [], counted)
  const project = await open('ebb_asleep')
  const site = underClaim(siteOf(project), claim)
  await site.log.append('alerts', 0, [{ key: 'held', value: null }])
  await site.tables.store.command('CREATE TABLE held (name String) ENGINE = Memory')
  await site.tables.store.insert('held', [{ name: 'one' }])
  await age(21)
  const later = signs + 2
  await pulse.until(() => signs >= later)
  await assert.rejects(claim.hold(), isLost)
  await assert.rejects(site.log.append('alerts', 0, [{ key: 'lost', value: null }]), isLost)
  await assert.rejects(site.tables.store.command('DROP TABLE held'), isLost)
  for (const tables of [site.tables.store, site.tables.shadow])
    await assert.rejects(tables.insert('held', [{ name: 'two' }]), isLost)
  assert.equal((await project.log.bounds('alerts', 0)).endOffset, 1)
  assert.deepEqual(await project.store.query('SELECT name FROM held'), [{ name: 'one' }])
})

describe('a growth that slept', () => {
  const first = { epoch: 0, topic: 'clicks', partitions: 2 }
  const epochs = async () => {
    const rows = await readEpochs(store)
    return rows.map(({ epoch, topic, partitions }) => `${epoch} ${topic} ${partitions}`)
  }
  /** `meanwhile`: between its last look and what it says. */
  const grow = (partitions: number, claim: Claim | undefined, meanwhile: () => Promise<unknown>) =>
    beginEpoch(store, first, 'clicks', partitions, 0, () => meanwhile().then(() => true), claim)

  test('begins nothing behind the loss of its claim, also where nobody else has', async () => {
    const claim = await take('the sleeper')
    const sleep = () => age(21)
    await assert.rejects(grow(4, claim, sleep), isLost)
    assert.deepEqual(await epochs(), [])
  })

  test('leaves alone what another began', async () => {
    const claim = await take('the other')
    const other = () => grow(8, claim, async () => {})
    await assert.rejects(grow(4, undefined, other), /is in epoch 1 now, by another command/)
    assert.deepEqual(await epochs(), ['0 clicks 2', '1 e1.clicks 8'])
  })

  test('seals nothing behind the loss of its claim', async () => {
    const log = openMemoryLog({ clock: () => 0 })
    await log.ensure('clicks', { partitions: 2, ...kept })
    const claim = await take('the sleeper')
    await age(21)
    const clicks = { epoch: 1, topic: 'e1.clicks', partitions: 8, previous: first }
    const servers = { log, store, project: 'default', clicks }
    await assert.rejects(
      growServers(servers, 8, claim, () => {}, stopping),
      isLost,
    )
    assert.equal((await log.bounds('clicks', 0)).endOffset, 0)
  })
})
