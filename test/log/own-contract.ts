/** The part of the contract that is about owning partitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EbbError } from '../../services/base/errors.ts'
import { fails, type LogAdapter, opened, texts, timeout } from './fixture.ts'
import { gate, recordingOwner } from './owners.ts'

function from(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index)
}

export function ownContract(adapter: LogAdapter): void {
  test('a topic that nobody made cannot be owned', { timeout }, async context => {
    const { log } = await opened(context, adapter)
    await fails(log.own('nowhere', 'group', recordingOwner()), 'topicMissing')
  })

  test('records come from the offset that open gave, without gap', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const firsts: number[] = []
    for (const p of [0, 1]) firsts.push(await log.append(topic, p, texts('a', 'b', 'c')))
    const owner = recordingOwner({ open: async p => firsts[p]! + 1 })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => [0, 1].every(p => owner.offsets(p).length === 2))
    for (const p of [0, 1]) assert.deepEqual(owner.offsets(p), from(firsts[p]! + 1, 2))
    await ownership.stop()
  })

  test('what is appended later is delivered', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const { endOffset } = await log.bounds(topic, 0)
    const owner = recordingOwner({ open: async p => (await log.bounds(topic, p)).endOffset })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => owner.happenings.length === 2)
    for (let count = 1; count <= 3; count++) {
      await log.append(topic, 0, texts('later'))
      await owner.until(() => owner.offsets(0).length === count)
    }
    assert.deepEqual(owner.offsets(0), from(endOffset, 3))
    await ownership.stop()
  })

  test('the next batch waits until records has resolved', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const first = await log.append(topic, 0, texts('a'))
    const entered = gate()
    const release = gate()
    let running = 0
    let runningMost = 0
    const owner = recordingOwner({
      open: async p => (p === 0 ? first : (await log.bounds(topic, p)).endOffset),
      records: async () => {
        runningMost = Math.max(runningMost, ++running)
        entered.open()
        await release.passed
        running--
      },
    })
    const ownership = await log.own(topic, 'group', owner)
    await entered.passed
    for (let count = 0; count < 5; count++) await log.append(topic, 0, texts('more'))
    assert.deepEqual(owner.offsets(0), [])
    release.open()
    await owner.until(() => owner.offsets(0).length === 6)
    assert.deepEqual(owner.offsets(0), from(first, 6))
    assert.equal(runningMost, 1)
    await ownership.stop()
  })

  test('an operating error in records stops that partition; the others go on', {
    timeout,
  }, async context => {
    const { log, topic } = await opened(context, adapter)
    const firsts = [
      await log.append(topic, 0, texts('bad')),
      await log.append(topic, 1, texts('a')),
    ]
    const error = new EbbError('topicMismatch', 'The owner refuses it.')
    const owner = recordingOwner({
      open: async p => firsts[p]!,
      records: async p => {
        if (p === 0) throw error
      },
    })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => owner.errors.length === 1)
    await log.append(topic, 0, texts('never delivered'))
    await log.append(topic, 1, texts('b'))
    await owner.until(() => owner.offsets(1).length === 2)
    await ownership.stop()
    assert.deepEqual(owner.errors, [error])
    const ofBroken = owner.happenings.filter(({ partition }) => partition === 0)
    assert.deepEqual(
      ofBroken.map(({ what }) => what),
      ['open', 'failed'],
    )
  })

  test('a bug in records: the partition is lost to its owner, who opens it anew; the others go on', {
    timeout,
  }, async context => {
    const { log, topic } = await opened(context, adapter)
    const firsts = [
      await log.append(topic, 0, texts('bad', 'good')),
      await log.append(topic, 1, texts('a')),
    ]
    const error = new TypeError('The owner broke.')
    let isBroken = true
    const closedAsLost: boolean[] = []
    const owner = recordingOwner({
      open: async p => firsts[p]!,
      records: async p => {
        if (p === 0 && isBroken) {
          isBroken = false
          throw error
        }
      },
      close: async (_partition, lost) => void closedAsLost.push(lost),
    })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => owner.errors.length === 1)
    const [lease] = owner.leases
    assert.equal(lease!.lost, true, 'before anybody is told')
    await log.append(topic, 1, texts('b'))
    await owner.until(() => owner.offsets(1).length === 2)
    await owner.until(() => owner.offsets(0).length === 2)
    assert.deepEqual(owner.offsets(0), from(firsts[0]!, 2))
    assert.notEqual(owner.leases[0], lease)
    await ownership.stop()
    assert.deepEqual(owner.errors, [error])
    const ofBroken = owner.happenings.filter(({ partition }) => partition === 0)
    assert.deepEqual(
      ofBroken.map(({ what }) => what),
      ['open', 'close', 'failed', 'open', 'records', 'close'],
    )
    assert.deepEqual(closedAsLost, [true, false, false])
  })

  test('what an owner finds beside its records ends it as what they throw does', {
    timeout,
  }, async context => {
    const { log, topic } = await opened(context, adapter)
    const first = await log.append(topic, 0, texts('a'))
    const error = new TypeError('The flush broke.')
    const owner = recordingOwner({
      open: async p => (p === 0 ? first : (await log.bounds(topic, p)).endOffset),
    })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => owner.offsets(0).length === 1)
    const [lease] = owner.leases
    // Nothing more comes.
    lease!.fail(error)
    await owner.until(() => owner.offsets(0).length === 2)
    assert.equal(lease!.lost, true)
    await ownership.stop()
    assert.deepEqual(owner.errors, [error])
    assert.deepEqual(
      owner.happenings.filter(({ partition }) => partition === 0).map(({ what }) => what),
      ['open', 'records', 'close', 'failed', 'open', 'records', 'close'],
    )
  })

  test('a bug in open is told, and open is asked again', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const first = await log.append(topic, 0, texts('a'))
    let isBroken = true
    const owner = recordingOwner({
      open: async p => {
        if (p !== 0) return (await log.bounds(topic, p)).endOffset
        if (!isBroken) return first
        isBroken = false
        throw new TypeError('The state is no state.')
      },
    })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => owner.offsets(0).length === 1)
    await ownership.stop()
    assert.deepEqual(
      owner.happenings.filter(({ partition }) => partition === 0).map(({ what }) => what),
      ['failed', 'open', 'records', 'close'],
    )
  })

  test('an operating error in open stops that partition', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const owner = recordingOwner({
      open: async p => {
        if (p === 0) throw new EbbError('topicMismatch', 'The state is gone.')
        return (await log.bounds(topic, p)).endOffset
      },
    })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => owner.happenings.length === 2)
    await ownership.stop()
    assert.deepEqual(
      owner.happenings.filter(({ what }) => what !== 'open'),
      [
        { what: 'failed', partition: 0 },
        { what: 'close', partition: 1 },
      ],
    )
  })

  test('an offset that is not kept is offsetGone, not skipped', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const owner = recordingOwner({ open: async p => (await log.bounds(topic, p)).endOffset + 1 })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => owner.errors.length === 2)
    for (const error of owner.errors) await fails(Promise.reject(error), 'offsetGone')
    await ownership.stop()
  })

  test('stop waits for the running batch, then closes; the lease ends', {
    timeout,
  }, async context => {
    const { log, topic } = await opened(context, adapter)
    const first = await log.append(topic, 0, texts('a'))
    const entered = gate()
    const release = gate()
    const lostWhenClosing: (boolean | undefined)[] = []
    const owner = recordingOwner({
      open: async p => (p === 0 ? first : (await log.bounds(topic, p)).endOffset),
      records: async () => {
        entered.open()
        await release.passed
      },
      close: async p => {
        lostWhenClosing[p] = owner.leases[p]?.lost
      },
    })
    const ownership = await log.own(topic, 'group', owner)
    await entered.passed
    await log.append(topic, 0, texts('not delivered any more'))
    const stopped = ownership.stop()
    assert.equal(owner.leases[0]!.lost, false)
    release.open()
    await stopped
    const ofFirst = owner.happenings.filter(({ partition }) => partition === 0)
    assert.deepEqual(
      ofFirst.map(({ what }) => what),
      ['open', 'records', 'close'],
    )
    assert.deepEqual(owner.offsets(0), [first])
    assert.equal(lostWhenClosing[0], false)
    assert.equal(owner.leases[0]!.lost, true)
    assert.ok(owner.happenings.some(({ what, partition }) => what === 'close' && partition === 1))
  })

  test('an error in close is told; stop resolves all the same', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const owner = recordingOwner({
      open: async p => (await log.bounds(topic, p)).endOffset,
      close: async () => {
        throw new Error('The flush failed.')
      },
    })
    const ownership = await log.own(topic, 'group', owner)
    await owner.until(() => owner.happenings.length === 2)
    await ownership.stop()
    assert.equal(owner.errors.length, 2)
  })

  test('after stop the group can own the topic again', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const first = await log.append(topic, 0, texts('a'))
    for (let round = 0; round < 2; round++) {
      const owner = recordingOwner({
        open: async p => (p === 0 ? first : (await log.bounds(topic, p)).endOffset),
      })
      const ownership = await log.own(topic, 'group', owner)
      await owner.until(() => owner.offsets(0).length === 1)
      await ownership.stop()
    }
  })

  test('beat and commit may be called while working', { timeout }, async context => {
    const { log, topic } = await opened(context, adapter)
    const first = await log.append(topic, 0, texts('a'))
    const done = gate()
    const ownership = await log.own(topic, 'group', {
      open: async p => (p === 0 ? first : (await log.bounds(topic, p)).endOffset),
      records: async (_partition, batch, lease) => {
        await lease.beat()
        await lease.commit(batch.at(-1)!.offset + 1)
        done.open()
      },
      close: async () => {},
      failed: (_partition, error) => assert.fail(error),
    })
    await done.passed
    await ownership.stop()
  })
}
