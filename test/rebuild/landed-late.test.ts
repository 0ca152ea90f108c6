/** An append that was given up, and comes in after the same was sent again: nothing is lost by it, and nothing passed over. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { encodeRecord } from '../../services/log/codec.ts'
import type { Log, NewRecord } from '../../services/log/log.ts'
import { beginRebuild, continueRebuild, type Site } from '../../services/rebuild/rebuild.ts'
import { shadowNameOf } from '../../services/rebuild/shadow.ts'
import { readOpenRebuild } from '../../services/rebuild/steps.ts'
import { shopLog, shopRules, shopStartMs } from '../processor/shop.ts'
import {
  append,
  auditFindsNothing,
  clickOf,
  createRebuilders,
  type Entry,
  messages,
  present,
  type Rebuilder,
  seen,
  siteOf,
  startFolding,
} from './rebuilder.ts'

const { openFolded } = createRebuilders()

/** The first append behind `from` is given up, and comes in behind so many others, of which the first repeats it. */
interface Plan {
  readonly from?: RegExp
  readonly lands: number | RegExp
  /** So many others are done when the process dies. */
  readonly dies?: number
}

/** Of the new topics only; the project's own is as it is. */
function slowSite(project: Rebuilder, plan: Plan, hear: (sentence: string) => void = () => {}) {
  let isOn = plan.from === undefined
  let given: { topic: string; partition: number; records: readonly NewRecord[] } | undefined
  let others = 0
  let landing: Promise<unknown> | undefined
  const land = () => {
    const { topic, partition, records } = given!
    landing ??= project.log.append(topic, partition, records)
    return landing
  }
  const log: Log = {
    ...project.log,
    async bounds(topic, partition) {
      await landing
      return project.log.bounds(topic, partition)
    },
    async append(topic, partition, records) {
      if (topic === 'clicks' || !isOn) return project.log.append(topic, partition, records)
      if (!given) {
        given = { topic, partition, records }
        throw new EbbError('logUnreachable', 'Kafka did not answer.')
      }
      const offset = await project.log.append(topic, partition, records)
      others++
      if (others === plan.lands) await land()
      if (others === plan.dies) throw new Error('dead')
      return offset
    },
  }
  const site: Site = {
    ...siteOf(project, sentence => {
      if (plan.from?.test(sentence)) isOn = true
      if (plan.lands instanceof RegExp && plan.lands.test(sentence) && given) void land()
      hear(sentence)
    }),
    log,
  }
  return { site, hasLanded: () => landing !== undefined }
}

describe('while the history is appended and folded', () => {
  /** More than twice what an append has: with one of them twice the topic is no longer than the history. */
  const shop = { seed: 3, clicks: 4_300, users: 60, stepMs: 30_000 }
  let project: Rebuilder
  let whole: Record<string, unknown[]>

  before(async () => {
    project = await openFolded('ebb', shopRules, shopLog(shop, 1)[0]!, 1)
    whole = await seen(project)
  })

  const inShadow = async <Result>(work: (fresh: Rebuilder) => Promise<Result>) => {
    const shadow = await project.store.openBeside(shadowNameOf(project.store.database))
    return work({ ...project, shadow }).finally(() => shadow.close())
  }
  const rebuild = async (site: Site) => {
    const first = await present(project, 1)
    const open = (await readOpenRebuild(project.store)) ?? (await beginRebuild(site, first))
    const old = await startFolding(project, first)
    await continueRebuild(site, first, open).finally(() => old.stop())
  }
  const isGivenUp = async () => {
    assert.equal(await readOpenRebuild(project.store), undefined)
    const [{ beside }] = (await project.store.query(
      `SELECT count() AS beside FROM system.tables WHERE database = '${shadowNameOf('ebb')}'`,
    )) as [{ beside: string }]
    assert.equal(Number(beside), 0)
    assert.deepEqual(await seen(project), whole)
  }
  const givenUp = {
    message: /^e\d\.clicks holds records of the rebuild twice: .*it takes a new topic\.$/,
  }

  for (const [when, lands] of [
    ['before the next one', 1],
    ['behind the last one', /are folded/],
  ] as const)
    test(`landed ${when}, the rebuild is given up`, async () => {
      await inShadow(async fresh => {
        const heard: string[] = []
        const { site, hasLanded } = slowSite(fresh, { lands }, sentence => heard.push(sentence))
        await assert.rejects(rebuild(site), givenUp)
        assert.ok(hasLanded())
        const isFolded = heard.some(sentence => sentence.endsWith('are folded.'))
        assert.equal(isFolded, lands !== 1, 'nothing is folded for nothing')
      })
      await isGivenUp()
    })

  test('landed before the process died, the next one gives the rebuild up', async () => {
    await inShadow(async fresh => {
      const { site } = slowSite(fresh, { lands: 1, dies: 1 })
      await assert.rejects(rebuild(site), /dead/)
    })
    assert.equal((await readOpenRebuild(project.store))?.step, 'folding')
    await inShadow(fresh => assert.rejects(rebuild(siteOf(fresh)), givenUp))
    await isGivenUp()
  })

  test('begun anew, it takes a new topic, and ends well', async () => {
    await inShadow(fresh => rebuild(siteOf(fresh)))
    const second = await present(project, 1)
    assert.deepEqual([second.epoch, second.topic], [4, 'e4.clicks'])
    assert.deepEqual(await seen(project), whole)
    await auditFindsNothing(project, second)
  })
})

describe('where the old epoch is sealed', () => {
  const minuteMs = 60_000
  const users = Array.from({ length: 9 }, (_, at) => `user ${at}`)
  const erased = users[4]!
  /** So large that few of them are an append. */
  const properties = JSON.stringify({ note: 'x'.repeat(400_000) })
  const clicksFrom = (atMs: number, more: object): Entry[] =>
    users.map((userId, at) => {
      const timestampMs = atMs + at * 10_000
      const eventId = `${atMs} ${at}`
      const bought = at % 3 === 0 ? { name: 'purchase', value: at + 1 } : {}
      const facts = { userId, eventId, timestampMs, receivedAtMs: timestampMs, ...bought, ...more }
      return { atMs: timestampMs, record: clickOf(facts) }
    })
  const known = { kind: 'audience', userId: users[2]!, segments: ['a'], scores: { b: 1 } } as const
  const told: Entry = {
    atMs: shopStartMs,
    record: { key: users[2]!, value: encodeRecord(known) },
  }
  const erase: Entry = {
    atMs: shopStartMs + 3 * minuteMs,
    record: { key: erased, value: encodeRecord({ kind: 'erase', userId: erased }) },
  }
  /** All within one session of each user. */
  const entries = [...clicksFrom(shopStartMs, {}), told]
  const meanwhile = [erase, ...clicksFrom(shopStartMs + 4 * minuteMs, { properties })]

  /** Resolves to whether the process died, and another one brought the rebuild to its end. */
  async function rebuildOn(project: Rebuilder, plan: Plan | undefined): Promise<boolean> {
    const first = await present(project, 1)
    const old = await startFolding(project, first)
    let coming: Promise<void> | undefined
    const hear = (sentence: string) => {
      if (sentence.endsWith('are folded.')) coming ??= append(project, first, meanwhile)
    }
    const slow = plan && slowSite(project, plan, hear)
    const plain = slow?.site ?? siteOf(project, hear)
    const site: Site = {
      ...plain,
      log: {
        ...plain.log,
        async append(topic, partition, records) {
          // The seal.
          if (topic === first.topic) await coming
          return plain.log.append(topic, partition, records)
        },
      },
    }
    let hasDied = false
    try {
      await continueRebuild(site, first, await beginRebuild(site, first))
    } catch (error) {
      assert.match(String(error), /dead/)
      hasDied = true
      const open = (await readOpenRebuild(project.store))!
      assert.equal(open.step, 'ending')
      await continueRebuild(siteOf(project), first, open)
    } finally {
      await old.stop()
    }
    if (slow) assert.ok(slow.hasLanded())
    return hasDied
  }

  let steady: Record<string, unknown[]>
  let steadyMessages: Map<string, Set<string>>
  before(async () => {
    const project = await openFolded('ebb_steady', shopRules, entries, 1)
    await rebuildOn(project, undefined)
    const found = await seen(project)
    steady = found
    steadyMessages = await messages(project)
    assert.deepEqual(found.rejects, [])
    assert.equal(found.clicks!.length, 2 * users.length - 1, 'one click was before the erasure')
  })

  const sealed = /is sealed/
  for (const [name, what, plan] of [
    ['ebb_a', 'of the history, landed when that was folded', { lands: sealed }],
    ['ebb_b', 'of the end, landed before the next one', { from: sealed, lands: 1 }],
    ['ebb_c', 'of the end, landed behind the next one', { from: sealed, lands: 2 }],
    ['ebb_d', 'landed right before the process died', { from: sealed, lands: 1, dies: 1 }],
    ['ebb_e', 'landed, and then it died', { from: sealed, lands: 1, dies: 2 }],
  ] as const)
    test(`an append ${what}: nobody sees a difference`, async () => {
      const project = await openFolded(name, shopRules, entries, 1)
      assert.equal(await rebuildOn(project, plan), 'dies' in plan)
      const { rejects, ...found } = await seen(project)
      const { rejects: _, ...expected } = steady
      for (const view of Object.keys(expected)) assert.deepEqual(found[view], expected[view], view)
      const kinds = new Set((rejects as { kind: string }[]).map(({ kind }) => kind))
      assert.deepEqual([...kinds], ['duplicate'], 'it came twice')
      assert.deepEqual(await messages(project), steadyMessages)
      await auditFindsNothing(project, await present(project, 1))
    })
})
