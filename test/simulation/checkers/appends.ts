/** I1 and I2 at the log: what an append was answered for stands where the answer says, and is not there again. */
import type { Evidence } from '../evidence.ts'

export function checkAppends({ acknowledged, topics }: Evidence): string[] {
  const copies = new Map<object, number>()
  for (const topic of topics.names())
    for (let partition = 0; partition < topics.count(topic); partition++)
      for (const record of topics.at(topic, partition).given)
        copies.set(record, (copies.get(record) ?? 0) + 1)
  const wrong = acknowledged.flatMap(({ topic, partition, offset, records, numbered }) => {
    const { given } = topics.at(topic, partition)
    const what = `${records.length} records of ${topic} ${partition} answered with ${offset}`
    if (records.some((record, index) => given[offset + index] !== record))
      return [`I1: ${what} are not there`]
    const isTwice = numbered && records.some(record => copies.get(record)! > 1)
    return isTwice ? [`I2: ${what} are there again`] : []
  })
  return wrong.slice(0, 3)
}
