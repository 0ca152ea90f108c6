/** Several owners in one group, some of which stop, stall, freeze or die. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, type TestContext, test } from 'node:test'
import { pino } from 'pino'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { nextTurn, pause } from '../../services/base/time.ts'
import type { Lease } from '../../services/log/log.ts'
import { fails, texts } from './fixture.ts'
import {
  childOwner,
  from,
  journalOwner,
  newJournal,
  newLog,
  newTopic,
  sessionMsMax,
  withAdmin,
} from './kafka-fixture.ts'
import { gate } from './owners.ts'

const timeout = 60_000
const brokers = await brokersForTest(1, { own: true })

if (typeof brokers === 'string') {
  test('kafka groups', { skip: brokers }, () => {})
} else {
  after(() => brokers.stop())
  const { addresses } = brokers

  /** A topic with so many records in each of its partitions, a journal, and a log. */
  async function prepared(context: TestContext, { partitions = 4, records = 10 } = {}) {
    const log = await newLog(context, addresses)
    const topic = await newTopic(log, { partitions })
    const group = `${topic}.group`
    const append = (partition: number, count: number) =>
      log.append(topic, partition, texts(...Array<string>(count).fill('x')))
    if (records > 0)
      await Promise.all([...Array(partitions).keys()].map(partition => append(partition, records)))
    return { log, topic, group, append, journal: newJournal() }
  }

  describe('kafka: groups', { concurrency: 4 }, () => {
    test('a newcomer gets its half only after it was closed in order; the rest is not touched', {
      timeout,
    }, async context => {
      const { log, topic, group, append, journal } = await prepared(context)
      const open = (partition: number) => journal.next(partition)
      const close = () => pause(500, context.signal) // A flush takes its time.
      await log.own(topic, group, journalOwner('a', journal, { open, close }))
      await journal.until(() => [0, 1, 2, 3].every(p => journal.next(p) === 10))
      const other = await newLog(context, addresses)
      await other.own(topic, group, journalOwner('b', journal, { open }))
      await journal.until(() => journal.has('b open 2') && journal.has('b open 3'))
      await Promise.all([0, 1, 2, 3].map(p => append(p, 5)))
      await journal.until(() => [0, 1, 2, 3].every(p => journal.next(p) === 15))
      for (const p of [2, 3]) {
        const lines = journal.lines.filter(line => line.split(' ')[2] === String(p))
        const last = lines.indexOf(`a close ${p} in order`)
        assert.equal(lines[last + 1], `b open ${p}`)
        assert.deepEqual(journal.offsets('a', p), from(0, 10))
        assert.deepEqual(journal.offsets('b', p), from(10, 15))
      }
      for (const p of [0, 1]) {
        assert.deepEqual(journal.offsets('a', p), from(0, 15))
        assert.ok(!journal.lines.some(line => line.startsWith(`a close ${p}`)))
      }
    })

    test('a partition that threw and is another’s before it is opened anew is closed once more', {
      timeout,
    }, async context => {
      const { log, topic, group, journal } = await prepared(context)
      const open = (partition: number) => journal.next(partition)
      const records = async (partition: number) => {
        if (partition > 1) throw new TypeError('broken')
      }
      await log.own(topic, group, journalOwner('a', journal, { open, records }))
      await journal.until(() => [2, 3].every(p => journal.has(`a failed ${p} broken`)))
      const other = await newLog(context, addresses)
      await other.own(topic, group, journalOwner('b', journal, { open }))
      await journal.until(() => [2, 3].every(p => journal.next(p) === 10))
      const lastOfA = (p: number) =>
        journal.lines
          .filter(line => line.startsWith('a') && line.split(' ')[2] === String(p))
          .at(-1)
      await journal.until(() => [2, 3].every(p => lastOfA(p) === `a close ${p} lost`))
      assert.deepEqual(
        [2, 3].map(p => journal.offsets('b', p)),
        [from(0, 10), from(0, 10)],
      )
    })

    test('work that takes longer than a session keeps its partition, and no other waits for it', {
      timeout,
    }, async context => {
      const { log, topic, group, append, journal } = await prepared(context)
      const release = gate()
      let lost: boolean | undefined
      const owner = journalOwner('a', journal, {
        async records(partition, lease) {
          if (partition !== 0) return
          await release.passed
          lost = lease.lost
        },
      })
      await log.own(topic, group, owner)
      await journal.until(() => [1, 2, 3].every(p => journal.next(p) === 10))
      const other = await newLog(context, addresses)
      await other.own(topic, group, journalOwner('b', journal))
      await journal.until(() => journal.next(2) === 10 && journal.has('b open 3'))
      await append(1, 1)
      await journal.until(() => journal.next(1) === 11)
      await pause(1.5 * sessionMsMax, context.signal)
      const { groups } = await withAdmin(addresses, admin => admin.describeGroups([group]))
      assert.deepEqual([groups[0]!.state, groups[0]!.members.length], ['Stable', 2])
      release.open()
      await journal.until(() => journal.next(0) === 10)
      assert.equal(lost, false)
      assert.ok(!journal.lines.some(line => line.includes('lost') || line.includes('failed')))
    })

    test('an owner that has more than enough is not asked for more, and holds up no other', {
      timeout,
    }, async context => {
      const { log, topic, group, append, journal } = await prepared(context, { partitions: 2 })
      const release = gate()
      const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(50_000)))
      for (let count = 0; count < 10; count++)
        await log.append(topic, 0, Array(10).fill({ key: null, value: noise }))
      const owner = journalOwner('a', journal, {
        records: partition => (partition === 0 ? release.passed : undefined),
      })
      await log.own(topic, group, owner)
      for (let count = 11; count <= 15; count++) {
        await append(1, 1)
        await journal.until(() => journal.next(1) === count)
      }
      release.open()
      await journal.until(() => journal.next(0) === 110)
    })

    test('who stops leaves at once, and has told where it got to', { timeout }, async context => {
      const { log, topic, group, journal } = await prepared(context)
      const patient = { sessionMsMax: 60_000 } // So that only leaving can explain it.
      const commit = { records: (_: number, lease: Lease) => lease.commit(10) }
      const [a, b] = [
        await newLog(context, addresses, patient),
        await newLog(context, addresses, patient),
      ]
      await a.own(topic, group, journalOwner('a', journal))
      const ownership = await b.own(topic, group, journalOwner('b', journal, commit))
      await journal.until(() => journal.offsets('b', 2).length === 10)
      await journal.until(() => journal.offsets('b', 3).length === 10)
      await ownership.stop()
      assert.ok(journal.has('b close 2 in order') && journal.has('b close 3 in order'))
      const told = await withAdmin(addresses, admin =>
        admin.fetchOffsets({ groupId: group, topics: [topic] }),
      )
      const offsets = told[0]!.partitions.filter(({ partition }) => partition >= 2)
      assert.deepEqual(
        offsets.map(({ offset }) => offset),
        ['10', '10'],
      )
      const taken = () => journal.lines.slice(journal.lines.indexOf('b close 3 in order'))
      await journal.until(() => [2, 3].every(p => taken().includes(`a open ${p}`)))
      assert.ok((await log.bounds(topic, 0)).endOffset === 10)
    })

    test('killed under load: another goes on where it got to, without a gap', {
      timeout,
    }, async context => {
      const { log, topic, group, append, journal } = await prepared(context)
      const child = childOwner(context, journal, 'child', { brokers: addresses, topic, group })
      await journal.until(() => journal.offsets('child', 3).length > 0)
      const loading = new AbortController()
      const load = (async () => {
        while (!loading.signal.aborted) await Promise.all([0, 1, 2, 3].map(p => append(p, 3)))
      })()
      context.after(() => loading.abort())
      const open = (partition: number) => journal.next(partition)
      await log.own(topic, group, journalOwner('a', journal, { open }))
      await journal.until(() => journal.offsets('a', 3).length > 0)
      child.kill('SIGKILL')
      await journal.until(() => [0, 1].every(p => journal.offsets('a', p).length > 0))
      loading.abort()
      await load
      const ends = await Promise.all([0, 1, 2, 3].map(p => log.bounds(topic, p)))
      await journal.until(() => ends.every(({ endOffset }, p) => journal.next(p) === endOffset))
      for (const [p, { endOffset }] of ends.entries()) {
        const taken = journal.offsets('a', p)
        assert.deepEqual(taken, from(taken[0]!, endOffset))
        const before = new Set(journal.offsets('child', p))
        for (const offset of from(0, taken[0]!)) assert.ok(before.has(offset), `${p}: ${offset}`)
      }
      assert.ok(!journal.lines.some(line => line.includes('failed')))
    })

    test('a frozen process loses its partitions, and knows it as soon as it thaws', {
      timeout,
    }, async context => {
      const { log, topic, group, journal } = await prepared(context)
      const child = childOwner(context, journal, 'child', { brokers: addresses, topic, group })
      await journal.until(() => journal.next(3) === 10)
      child.kill('SIGSTOP')
      await log.own(topic, group, journalOwner('a', journal))
      await journal.until(() => [0, 1, 2, 3].every(p => journal.has(`a open ${p}`)))
      child.kill('SIGCONT')
      await journal.until(() => [0, 1, 2, 3].every(p => journal.has(`child close ${p} lost`)))
      const back = () => journal.lines.slice(journal.lines.indexOf('child close 0 lost'))
      await journal.until(() => back().filter(line => line.startsWith('child open')).length === 2)
      child.stdin!.end()
      await once(child, 'exit')
      assert.equal(child.exitCode, 0)
      assert.ok(journal.has('child ended'))
    })
  })

  // These hold up the whole process, or the broker.

  test('an event loop that stood longer than a session: the lease ends, the partition comes back', {
    timeout,
  }, async context => {
    const { log, topic, group, journal } = await prepared(context, { partitions: 1 })
    const lost: boolean[] = []
    const release = gate()
    const owner = journalOwner('a', journal, {
      async records(_, lease) {
        if (lost.length > 0) return
        const still = new Int32Array(new SharedArrayBuffer(4))
        Atomics.wait(still, 0, 0, sessionMsMax + 500)
        lost.push(lease.lost)
        await release.passed
      },
    })
    const opens = () => journal.lines.filter(line => line === 'a open 0').length
    await log.own(topic, group, owner)
    await journal.until(() => journal.has('a close 0 lost'))
    assert.deepEqual(lost, [true])
    // The owner is told at once; while it is still busy with the lost one, it does not get the new one.
    await pause(1_000, context.signal)
    assert.equal(opens(), 1)
    release.open()
    await journal.until(() => opens() === 2)
    await journal.until(() => journal.offsets('a', 0).length === 20)
  })

  test('a broker that says nothing for a session: all is lost, and comes back with it', {
    timeout,
  }, async context => {
    const { log, topic, group, append, journal } = await prepared(context, { partitions: 2 })
    await log.own(topic, group, journalOwner('a', journal, { open: p => journal.next(p) }))
    await journal.until(() => [0, 1].every(p => journal.next(p) === 10))
    await brokers.signal(0, 'SIGSTOP')
    context.after(() => brokers.signal(0, 'SIGCONT'))
    await journal.until(() => [0, 1].every(p => journal.has(`a close ${p} lost`)))
    await brokers.signal(0, 'SIGCONT')
    await Promise.all([0, 1].map(p => append(p, 5)))
    await journal.until(() => [0, 1].every(p => journal.next(p) === 15))
  })

  test('a log closes and its process ends by itself, though the broker says nothing', {
    timeout,
  }, async context => {
    const socketsBefore = openSockets()
    const { log, topic, group, journal, append } = await prepared(context, { partitions: 1 })
    const child = childOwner(context, journal, 'child', { brokers: addresses, topic, group })
    await journal.until(() => journal.next(0) === 10)
    await brokers.signal(0, 'SIGSTOP')
    context.after(() => brokers.signal(0, 'SIGCONT'))
    child.stdin!.end()
    const refused = fails(append(0, 1), 'logUnreachable')
    const sockets = log.close().then(nextTurn).then(nextTurn).then(openSockets)
    const [socketsAfter] = await Promise.all([sockets, refused, once(child, 'exit')])
    assert.equal(socketsAfter, socketsBefore)
    assert.equal(child.exitCode, 0)
  })

  test('a process whose broker dies waits for it, though no connection keeps it alive', {
    timeout,
  }, async context => {
    const { topic, group, append, journal } = await prepared(context, { partitions: 1 })
    const child = childOwner(context, journal, 'child', { brokers: addresses, topic, group })
    const ended = once(child, 'exit').then(() => assert.fail('It ended.'))
    await journal.until(() => journal.next(0) === 10)
    await brokers.signal(0, 'SIGKILL')
    await brokers.restarted(0)
    await append(0, 1)
    await Promise.race([journal.until(() => journal.next(0) === 11), ended])
  })

  test('a coordinator that is away is told once, and once when it answers; it is asked ever less', {
    timeout,
  }, async context => {
    const { topic, group, journal } = await prepared(context, { partitions: 1 })
    const told: { msg: string; level: number; awayMs?: number; atMs: number }[] = []
    const write = (line: string) => {
      const entry = JSON.parse(line)
      if (!String(entry.msg).includes('coordinator')) return
      told.push({ ...entry, atMs: performance.now() })
      journal.write(entry.msg)
    }
    const logger = pino({ level: 'debug' }, { write })
    const log = await newLog(context, addresses, { logger })
    await log.own(topic, group, journalOwner('a', journal))
    await journal.until(() => journal.next(0) === 10)
    told.length = 0
    await brokers.signal(0, 'SIGKILL')
    await journal.until(() => told.some(({ msg }) => msg.includes('answers again')))
    const loud = told.filter(({ level }) => level >= pino.levels.values.warn!)
    assert.deepEqual(
      loud.map(({ msg }) => msg),
      [
        'The group’s coordinator is away; it is asked until it answers.',
        'The group’s coordinator answers again.',
      ],
    )
    assert.ok(loud[1]!.awayMs! > 0 && loud[1]!.awayMs! <= loud[1]!.atMs - loud[0]!.atMs + 1)
    const asked = told.slice(told.indexOf(loud[0]!), -1)
    assert.ok(asked.length > 2, 'a broker takes longer to start')
    for (const [at, { atMs }] of asked.slice(1).entries())
      assert.ok(atMs - asked[at]!.atMs >= Math.min(200 * 2 ** at, 2_000) - 1)
    await brokers.restarted(0)
  })

  /** Connections of this process, by what keeps it alive. */
  function openSockets(): number {
    return process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
  }
}
