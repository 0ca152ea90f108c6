/**
 * The process that kill.test.ts kills: `child.ts DIRECTORY ALERTS URL...`. Appends alerts until there are
 * so many, delivers all the while, and says `endpoint ID SECRET`, `appended ID` and `ready` line by line.
 */
import { addEndpoint } from '../../services/webhooks/endpoints.ts'
import { alert, append, openData, partitions, start, testClockMs, topic } from './fixture.ts'

const [directory, wanted, ...urls] = process.argv.slice(2)
const data = await openData(directory!)
const say = (...words: string[]) => process.stdout.write(`${words.join(' ')}\n`)

const [{ count } = { count: '0' }] = await data.store.query<{ count: string }>(
  'SELECT count() AS count FROM endpoints',
)
for (const url of urls.slice(Number(count))) {
  const { id, secret } = await addEndpoint(data.store, data.key, url, testClockMs)
  say('endpoint', id, secret)
}

const webhooks = await start(data, { settings: { scheduleMs: Array(50).fill(1) } })
process.on('SIGTERM', async () => {
  await webhooks.stop()
  await data.close()
})
say('ready')

let appended = 0
for (let partition = 0; partition < partitions; partition++)
  appended += (await data.log.bounds(topic, partition)).endOffset
for (; appended < Number(wanted); appended++) {
  const user = `u${appended}`
  await append(data.log, alert(user))
  say('appended', `m-${user}-fired`)
}
