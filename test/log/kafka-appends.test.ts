/** How appends become requests, and what of an answer is believed: with a topic that answers as it is told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openAppends, waitingBytesMax } from '../../services/log/kafka/appends.ts'
import { appendMsMax, pieceBytesMax } from '../../services/log/kafka/produce.ts'
import type { Broker } from '../../services/log/kafka/wire.ts'
import type { NewRecord } from '../../services/log/log.ts'
import { fails, texts, timeout } from './fixture.ts'
import { gate } from './owners.ts'

type ProduceRequest = Parameters<Broker['produce']>[0]
type ProduceAnswer = Awaited<ReturnType<Broker['produce']>>

/** A leader that takes all, one offset after the other, from 0; what it was asked is in `requests`. */
function fakeTopic(
  produce?: (request: ProduceRequest) => Promise<ProduceAnswer>,
  asking = <T>(question: () => Promise<T>) => question(),
) {
  const requests: ProduceRequest[] = []
  let endOffset = 0
  let producers = 0
  const takeAll = async (request: ProduceRequest): Promise<ProduceAnswer> => {
    const [{ partition, messages }] = request.topicData[0]!.partitions as [Messages]
    const baseOffset = String(endOffset)
    endOffset += messages.length
    const partitions = [{ partition, baseOffset, logAppendTime: '1' }]
    return { topics: [{ topicName: 'clicks', partitions }] }
  }
  const leader = {
    initProducerId: async () => ({ producerId: String(++producers), producerEpoch: 0 }),
    produce(request: ProduceRequest) {
      requests.push(request)
      return (produce ?? takeAll)(request)
    },
  }
  const topic = {
    name: 'clicks',
    bounds: async () => ({ startOffset: 0, endOffset }),
    ask: <T>(_: number, question: (leader: Broker) => Promise<T>) =>
      asking(() => question(leader as Partial<Broker> as Broker)),
  }
  const load = { waitingBytes: 0 }
  return { ...openAppends(topic, load), requests, load }
}

type Messages = ProduceRequest['topicData'][number]['partitions'][number]

function sizes(requests: readonly ProduceRequest[]): number[] {
  return requests.map(({ topicData }) => topicData[0]!.partitions[0]!.messages.length)
}

test('every request asks for all replicas, and is about one partition', { timeout }, async () => {
  const { append, requests } = fakeTopic()
  await Promise.all([append(0, texts('a')), append(1, texts('b')), append(0, texts('c'))])
  assert.deepEqual(sizes(requests), [2, 1])
  for (const { acks, topicData } of requests) {
    assert.equal(acks, -1)
    assert.equal(topicData.length, 1)
    assert.equal(topicData[0]!.partitions.length, 1)
  }
})

test('what comes while a request is under way goes together with the next', {
  timeout,
}, async () => {
  const { append, requests } = fakeTopic()
  const first = append(0, texts('a'))
  await new Promise(resolve => setImmediate(resolve))
  const later = ['b', 'c', 'd'].map(text => append(0, texts(text)))
  assert.deepEqual(await Promise.all([first, ...later]), [0, 1, 2, 3])
  assert.deepEqual(sizes(requests), [1, 3])
})

test('appends share a batch up to 1 MiB; one alone may be larger', { timeout }, async () => {
  const { append, requests } = fakeTopic()
  const value = 'x'.repeat(400_000)
  await Promise.all([...Array(5).keys()].map(() => append(0, texts(value))))
  assert.deepEqual(sizes(requests), [2, 2, 1])
  await append(0, texts(value, value, value))
  assert.equal(sizes(requests).at(-1), 3)
})

test('an append beyond 4 MiB goes in pieces, in order', { timeout }, async () => {
  const { append, requests } = fakeTopic()
  await append(0, texts('before'))
  const value = 'x'.repeat(pieceBytesMax / 4)
  assert.equal(await append(0, texts(...Array<string>(8).fill(value))), 1)
  assert.deepEqual(sizes(requests), [1, 3, 3, 2])
})

test('a batch that is sent again says which it is; after a failure the count begins anew', {
  timeout,
}, async () => {
  let failing = false
  const twice = async <T>(question: () => Promise<T>) => {
    await question()
    if (failing) throw new Error('Lost.')
    return question()
  }
  const { append, requests } = fakeTopic(undefined, twice)
  await append(0, texts('a', 'b'))
  await append(0, texts('c'))
  failing = true
  await assert.rejects(append(0, texts('d')), /Lost/)
  failing = false
  await append(0, texts('e'))
  const sent = requests.map(({ producerId, topicData }) => {
    const { firstSequence, messages } = topicData[0]!.partitions[0]!
    return `${String(messages[0]!.value)} ${producerId}.${firstSequence}`
  })
  const [one, other] = [requests[0]!.producerId, requests.at(-1)!.producerId]
  assert.notEqual(other, one)
  assert.deepEqual(sent, [
    ...[`a ${one}.0`, `a ${one}.0`],
    ...[`c ${one}.2`, `c ${one}.2`],
    `d ${one}.3`,
    ...[`e ${other}.0`, `e ${other}.0`],
  ])
})

test('an answer that does not speak of the partition acknowledges nothing', {
  timeout,
}, async () => {
  const written = { partition: 0, baseOffset: '5', logAppendTime: '1' }
  const answers: readonly ProduceAnswer['topics'][] = [
    [],
    [{ topicName: 'clicks', partitions: [] }],
    [{ topicName: 'clicks', partitions: [{ ...written, partition: 1 }] }],
    [{ topicName: 'others', partitions: [written] }],
    [{ topicName: 'clicks', partitions: [{ ...written, baseOffset: '-1' }] }],
  ]
  for (const topics of answers)
    await fails(fakeTopic(async () => ({ topics })).append(0, texts('a')), 'logUnreachable')
})

test('an answer with an offset that was used before is topicMismatch', { timeout }, async () => {
  const partitions = [{ partition: 0, baseOffset: '5', logAppendTime: '1' }]
  const topics = [{ topicName: 'clicks', partitions }]
  const { append } = fakeTopic(async () => ({ topics }))
  assert.equal(await append(0, texts('a')), 5)
  await fails(append(0, texts('b')), 'topicMismatch')
})

test('a failed request fails its appends; the next ones go on', { timeout }, async () => {
  let failures = 1
  const fake = fakeTopic(async request => {
    if (failures-- > 0) throw new Error('Lost.')
    const { partition } = request.topicData[0]!.partitions[0]!
    return { topics: [{ topicName: 'clicks', partitions: [{ partition, ...at7 }] }] }
  })
  const at7 = { baseOffset: '7', logAppendTime: '1' }
  await assert.rejects(fake.append(0, texts('a')), /Lost/)
  assert.equal(await fake.append(0, texts('b')), 7)
})

test('beyond 64 MiB that wait, appends are refused at once; afterwards not', {
  timeout,
}, async () => {
  const release = gate()
  const fake = fakeTopic(async () => {
    await release.passed
    throw new Error('Lost.')
  })
  const record: NewRecord = { key: null, value: Buffer.alloc(waitingBytesMax / 8 - 16) }
  const waiting = [...Array(8).keys()].map(partition => fake.append(partition, [record]))
  await fails(fake.append(0, texts('one too many')), 'logBusy')
  release.open()
  await Promise.allSettled(waiting)
  await fake.drained()
  assert.equal(fake.load.waitingBytes, 0)
  await assert.rejects(fake.append(0, texts('a')), /Lost/)
})

test('a request that is never answered fails in time, whatever the library does', async context => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const asked = gate()
  const fake = fakeTopic(() => {
    asked.open()
    return new Promise(() => {})
  })
  const failed = fails(fake.append(0, texts('a')), 'logUnreachable')
  await asked.passed
  context.mock.timers.tick(appendMsMax)
  await failed
})

test('a request that was given up and comes back does not count for the next ones', async context => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const asked = gate()
  const release = gate()
  let first = true
  const slow = async <T>(question: () => Promise<T>) => {
    const answer = await question()
    if (fake.requests.length === 0 || !first) return answer
    first = false
    asked.open()
    await release.passed
    return answer
  }
  const fake = fakeTopic(undefined, slow)
  const givenUp = fails(fake.append(0, texts('a', 'b')), 'logUnreachable')
  await asked.passed
  context.mock.timers.tick(appendMsMax)
  await givenUp
  await fake.append(0, texts('c'))
  release.open()
  await new Promise(resolve => setImmediate(resolve))
  await fake.append(0, texts('d'))
  const places = fake.requests.map(({ topicData }) => topicData[0]!.partitions[0]!.firstSequence)
  assert.deepEqual(places, [0, 0, 1])
})

test('an append that waited too long is not sent any more', { timeout }, async context => {
  const now = context.mock.method(performance, 'now', () => 0)
  const release = gate()
  const fake = fakeTopic(async () => {
    await release.passed
    throw new Error('Lost.')
  })
  const first = fake.append(0, texts('a'))
  await new Promise(resolve => setImmediate(resolve))
  const late = fake.append(0, texts('b'))
  now.mock.mockImplementation(() => appendMsMax)
  release.open()
  await assert.rejects(first, /Lost/)
  await fails(late, 'logUnreachable')
  assert.equal(fake.requests.length, 1)
})
