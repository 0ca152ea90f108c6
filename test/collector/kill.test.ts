import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { wallClock } from '../../services/base/time.ts'
import { decodeRecord } from '../../services/log/codec.ts'
import { openEmbeddedLog } from '../../services/log/embedded.ts'
import { event, topic } from './fixture.ts'

const partitions = 4
const senders = 8

async function start(directory: string): Promise<{ child: ChildProcess; url: string }> {
  const script = join(import.meta.dirname, 'load.ts')
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit']
  const flag = '--disable-warning=ExperimentalWarning'
  const child = spawn(process.execPath, [flag, script, directory], { stdio })
  const [line] = await once(child.stdout!, 'data')
  return { child, url: String(line).trim() }
}

/** Sends batches until the collector is gone; adds the ids of those that were answered 200. */
async function load(url: string, name: string, confirmed: Set<string>, onAnswer: () => void) {
  for (let n = 0; ; n++) {
    const batch = Array.from({ length: 5 }, (_, at) =>
      event({ messageId: `${name}-${n}-${at}`, userId: `u${(n + at) % 50}`, timestamp: undefined }),
    )
    try {
      const response = await fetch(`${url}/v1/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ batch }),
      })
      assert.equal(response.status, 200)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      return
    }
    for (const one of batch) confirmed.add(String(one.messageId))
    onAnswer()
  }
}

async function idsOnLog(directory: string): Promise<{ ids: Set<string>; lives: number }> {
  const log = await openEmbeddedLog({ directory, clock: wallClock })
  const ids = new Set<string>()
  let lives = 0
  for (let partition = 0; partition < partitions; partition++) {
    const { endOffset } = await log.bounds(topic, partition)
    for (let offset = 0; offset < endOffset; ) {
      const records = await log.read(topic, partition, offset, 2 ** 20)
      offset += records.length
      for (const { value } of records) {
        const record = decodeRecord(value)
        if (record.kind === 'click') ids.add(record.eventId)
        if (record.kind === 'live') lives += 1
      }
    }
  }
  await log.close()
  return { ids, lives }
}

test('every event that was answered 200 is on the log, whenever the collector is killed', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'ebb-collector-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const confirmed = new Set<string>()
  for (const [round, answersBefore] of [1, 40, 150].entries()) {
    const { child, url } = await start(directory)
    const exited = once(child, 'exit')
    let answers = 0
    const onAnswer = () => {
      answers += 1
      if (answers === answersBefore) child.kill('SIGKILL')
    }
    const names = Array.from({ length: senders }, (_, sender) => `${round}-${sender}`)
    await Promise.all(names.map(name => load(url, name, confirmed, onAnswer)))
    await exited
  }
  const { ids, lives } = await idsOnLog(directory)
  assert.ok(confirmed.size >= 5 * 191, `${confirmed.size} confirmed`)
  assert.deepEqual(
    [...confirmed].filter(id => !ids.has(id)),
    [],
  )
  assert.ok(lives >= partitions)
})
