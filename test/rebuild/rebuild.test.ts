/** A project that is rebuilt in the middle of its log ends as one that never was. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { readEpochs } from '../../services/rebuild/epochs.ts'
import { beginRebuild, continueRebuild } from '../../services/rebuild/rebuild.ts'
import { readOpenRebuild } from '../../services/rebuild/steps.ts'
import { shopLog, shopRules } from '../processor/shop.ts'
import {
  append,
  auditFindsNothing,
  createRebuilders,
  foldAll,
  keepRules,
  messages,
  present,
  type Rebuilder,
  seen,
  siteOf,
  startFolding,
  views,
} from './rebuilder.ts'

const shop = { seed: 20_260_105, clicks: 6_000, users: 200, stepMs: 9_000 }
const partitions = 2

const { open } = createRebuilders()

describe('a project that is rebuilt while clicks come', () => {
  const entries = shopLog(shop, 1)[0]!
  const [third, half] = [Math.floor(entries.length / 3), Math.floor(entries.length * 0.6)]
  let steady: Rebuilder
  let rebuilt: Rebuilder

  before(async () => {
    steady = await open('ebb')
    const only = await present(steady, partitions)
    await append(steady, only, entries)
    await foldAll(steady, only)

    rebuilt = await open('ebb_rebuilt')
    // As the log tells them; the shop's cutoffs come with the revision that they have there.
    await keepRules(rebuilt, shopRules)
    await rebuilt.store.insert('controls', [
      { kind: 'cutoffs', revision: 2500, value: '{"high":150,"keep":140}', changed_at: 0 },
    ])
    const first = await present(rebuilt, partitions)
    await append(rebuilt, first, entries.slice(0, third))
    const old = await startFolding(rebuilt, first)
    await old.caughtUp()
    // The rest comes while the new epoch is being folded for the first time.
    const coming = Promise.withResolvers<void>()
    const site = siteOf(rebuilt, sentence => {
      if (!sentence.endsWith('are folded.')) return
      append(rebuilt, first, entries.slice(third, half)).then(coming.resolve, coming.reject)
    })
    const rebuild = await beginRebuild(site, first)
    await continueRebuild(site, first, rebuild)
    await coming.promise
    await old.stop()
    const second = await present(rebuilt, partitions)
    assert.deepEqual([second.epoch, second.topic, second.previous], [1, 'e1.clicks', undefined])
    await append(rebuilt, second, entries.slice(half))
    await foldAll(rebuilt, second)
  })

  for (const name of Object.keys(views))
    test(`${name} are those of one that never was`, async () => {
      const [expected, found] = [(await seen(steady))[name]!, (await seen(rebuilt))[name]!]
      assert.ok(expected.length > 50, 'there is something to compare')
      for (const [at, row] of expected.entries()) assert.deepEqual(found[at], row)
      assert.equal(found.length, expected.length)
    })

  test('every alert is on its log with one body, and no other is', async () => {
    assert.deepEqual(await messages(rebuilt), await messages(steady))
  })

  test('its log alone gives its tables: an audit finds nothing', async () => {
    await auditFindsNothing(rebuilt, await present(rebuilt, partitions))
  })

  test('nothing of it is left open, or stands beside', async () => {
    const { store } = rebuilt
    assert.equal(await readOpenRebuild(store), undefined)
    assert.deepEqual(
      (await readEpochs(store)).map(({ epoch, rebuilt }) => [epoch, rebuilt]),
      [
        [0, undefined],
        [1, true],
      ],
    )
    const beside = await store.query(
      "SELECT name FROM system.databases WHERE name = 'ebb_rebuilt_rebuild'",
    )
    assert.deepEqual(beside, [])
  })
})
