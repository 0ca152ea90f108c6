/** On the way to the log, and from it to the endpoints. */
import type { Bug } from './bug.ts'

const outbox = 'services/webhooks/outbox.ts'
const courier = 'services/webhooks/courier.ts'

export const bugsOfWays: readonly Bug[] = [
  {
    name: 'the collector answers before the log has the clicks',
    breaks: 'I1',
    file: 'services/collector/intake.ts',
    from: 'const outcomes = await Promise.allSettled(appends)',
    to: 'for (const append of appends) append.catch(() => {})\n    const outcomes = await Promise.allSettled<void>([])',
  },
  {
    name: 'the collector takes an unknown outcome for success',
    breaks: 'I1',
    file: 'services/collector/intake.ts',
    from: 'if (refused) throw refusal(refused.reason)',
    to: 'if (refused && outcomes.length > 1) throw refusal(refused.reason)',
  },
  {
    name: 'the webhooks read on before the rows of deliveries are stored',
    breaks: 'I4',
    file: outbox,
    from: '    await write(taken.flatMap(({ fresh }) => fresh))\n',
    to: '',
  },
  {
    name: 'the progress of webhooks passes open deliveries',
    breaks: 'I4',
    file: 'services/webhooks/reading.ts',
    from: 'nextOffset: oldestOpen ?? position',
    to: 'nextOffset: oldestOpen === undefined ? position : position',
  },
  {
    name: 'a delivery is stored as sent before it is sent',
    breaks: 'I4',
    file: courier,
    from: '    const answer = await options.sender.send(attempt)\n',
    to: "    await write([{ ...row, attempt: row.attempt + 1, status: 'delivered', next_at: null, version: 1 }])\n    const answer = await options.sender.send(attempt)\n",
  },
  {
    name: 'what was sent of a message is not looked up',
    breaks: 'I4',
    file: outbox,
    from: 'const stored = await persist(() => deliveriesOf(store, ids), options)',
    to: 'const stored: Awaited<ReturnType<typeof deliveriesOf>> = new Map()',
    test: 'test/webhooks/outbox.test.ts',
  },
  {
    name: 'each attempt has an id of its own',
    breaks: 'I3 I4',
    file: courier,
    from: 'messageId: row.message_id, body,',
    to: "messageId: row.message_id + '.' + row.attempt, body,",
  },
  {
    name: 'a delivery that failed is not tried again',
    breaks: 'I4',
    file: courier,
    from: '    if (row.next_at !== null) return release(delivery)\n',
    to: '    if (row.next_at !== null) return\n',
  },
  {
    name: 'the signature is of an older time',
    breaks: 'I4',
    file: courier,
    from: 'wallMs: options.wallClock() }',
    to: 'wallMs: options.wallClock() - 3_600_000 }',
  },
  {
    name: 'a batch that was given up leaves its number to the next one',
    breaks: 'I1',
    file: 'services/log/kafka/appends.ts',
    from: '      lane.numbering = newNumbering(lane.numbering.endOffset)\n',
    to: '',
    test: 'test/log/kafka-appends.test.ts',
  },
  {
    name: 'a batch that is sent again has another number',
    breaks: 'I2',
    file: 'services/log/kafka/produce.ts',
    from: 'leader => leader.produce(request))',
    to: 'async leader =>\n    leader.produce({\n      ...request,\n      ...(await newProducer(leader)),\n      topicData: [{ topic: topic.name, partitions: [{ ...entry, firstSequence: 0 }] }],\n    }),\n  )',
    test: 'test/log/kafka-appends.test.ts',
  },
  {
    name: 'who leads is not asked again after a refusal',
    breaks: 'I6',
    file: 'services/log/kafka/topic.ts',
    from: 'missing = await topic.refresh().then(nothing, missingOnly)',
    to: 'missing = await Promise.resolve().then(nothing, missingOnly)',
  },
  {
    name: 'an append whose answer is lost is refused for good',
    breaks: 'I6',
    file: 'services/log/kafka/topic.ts',
    from: 'if (!isPassing(refusal) && !isUnsure(refusal)) throw',
    to: 'if (!isPassing(refusal)) throw',
  },
  {
    name: 'what an owner had tried when he died counts as untried',
    breaks: 'I4',
    file: 'services/webhooks/reading.ts',
    from: 'return triedBelow === null || offset < triedBelow',
    to: 'return (triedBelow === null || offset < triedBelow) && offset < 0',
    test: 'test/webhooks/taken-over.test.ts',
  },
  {
    name: 'a return is judged without the attempts that are not stored yet',
    breaks: 'I4',
    file: courier,
    from: '    delivery.mayBeTried = true\n',
    to: '',
    test: 'test/webhooks/returns.test.ts',
  },
]
