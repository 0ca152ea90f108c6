/**
 * The processor and `ebb pipe` are one fold: on what `ebb import --print` writes of the two files, the tables
 * and the pipe say the same, line by line and byte for byte; so do a log's dump and the log.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partitionOf } from '../../services/base/slot.ts'
import { decodeAlert } from '../../services/log/codec.ts'
import type { Log } from '../../services/log/log.ts'
import type { ClicksRecord } from '../../services/log/record.ts'
import { parseSegment } from '../../services/log/segment.ts'
import { dumpPartition } from '../../services/processor/dump.ts'
import { runPipe } from '../../services/processor/pipe/run.ts'
import { importFlags, runEbb } from './command.ts'
import { clicksFile, mappings, ordersFile, skip } from './files.ts'
import { controlOf, type Line, lineMs, recordOf, replayLines } from './lines.ts'
import { openProject, type Project } from './project.ts'
import { sameRows } from './rows.ts'
import { scenario } from './scenario.ts'
import { tableLines } from './tables.ts'

const dayMs = 86_400_000

/** Lines of sessions, alerts and users in order, and how many of each, alerts by status; there is nothing else. */
function sortedOutput(output: readonly string[]): {
  lines: string[]
  counts: Record<string, number>
} {
  const counts: Record<string, number> = {}
  for (const line of output) {
    const kind = line.slice(2, line.indexOf('"', 2))
    assert.match(kind, /^(session|alert|user)$/)
    const status = /"status":"(\w+)"/.exec(line)?.[1] ?? kind
    counts[status] = (counts[status] ?? 0) + 1
  }
  return { lines: [...output].sort(), counts }
}

async function dumped(log: Log, partition: number): Promise<string[]> {
  const lines: string[] = []
  const count = { lines: 0, dead: 0 }
  for await (const line of dumpPartition(log, 'clicks', partition, 0, count)) lines.push(line)
  assert.deepEqual(count, { lines: lines.length, dead: 0 })
  return lines
}

/** Ids of messages as they stand on the alerts' topic. */
async function messagesOf(log: Log): Promise<string[]> {
  const { endOffset } = await log.bounds('alerts', 0)
  const ids: string[] = []
  for (let offset = 0; offset < endOffset; ) {
    const records = await log.read('alerts', 0, offset, 1 << 20)
    for (const { value } of records) {
      const alert = decodeAlert(value)
      assert.ok('messageId' in alert)
      ids.push(alert.messageId)
    }
    offset += records.length
  }
  return ids
}

async function withProject(
  options: Parameters<typeof openProject>[0],
  use: (project: Project) => Promise<void>,
): Promise<void> {
  const project = await openProject(options)
  try {
    await use(project)
  } finally {
    await project.close()
  }
}

/** One partition, folded in two runs; the pipe itself, and a dump of the log. */
async function comparePartition(clicks: readonly Line[]): Promise<Record<string, number>> {
  const lines = scenario(clicks)
  const texts = lines.map(line => JSON.stringify(line))
  const piped = runEbb(['pipe', '--signals'], texts)
  let counts: Record<string, number> = {}
  await withProject({ log: 'memory', partitions: 1 }, async project => {
    const half = Math.floor(lines.length / 2)
    await replayLines(project, lines, 0, half)
    await project.fold()
    await replayLines(project, lines, half, lines.length)
    await project.fold()
    const output = await piped
    const expected = sortedOutput(output)
    counts = expected.counts
    sameRows(await tableLines(project.store, 0), expected.lines)
    const messages = output
      .filter(line => line.startsWith('{"alert"'))
      .map(line => JSON.parse(line).alert.message)
    sameRows(await messagesOf(project.log), messages)
    sameRows(runPipe(await dumped(project.log, 0), ['--clock', 'log', '--signals']), output)
  })
  return counts
}

/**
 * Four partitions on a log on disk. What came in within a day is appended at its end, so that a record counts
 * with its stamp and the skew, later than it happened. The guard against low intake is on, as in a live project; the
 * other one would hold all alerts, as ticks stand a day apart here.
 */
async function fillPartitions(project: Project, clicks: readonly Line[]): Promise<void> {
  const { partitions, log } = project
  let batches: ClicksRecord[][] = Array.from({ length: partitions }, () => [])
  const lines = [{ settings: { guards: 'low-intake' } }, ...scenario(clicks)]
  let endMs = (Math.floor(lineMs(clicks[0]!)! / dayMs) + 1) * dayMs
  const flush = async () => {
    project.nowMs = endMs
    const tick = { kind: 'tick', atMs: endMs, writer: 'replay' } as const
    for (const [partition, batch] of batches.entries())
      await log.append('clicks', partition, [...batch, tick].map(recordOf))
    batches = batches.map(() => [])
    endMs += dayMs
  }
  for (const [at, line] of lines.entries()) {
    while ((lineMs(line) ?? 0) >= endMs) await flush()
    if (line.timestamp === undefined)
      for (const batch of batches) batch.push(controlOf(line, at + 1))
    else {
      const click = parseSegment(line) as ClicksRecord & { kind: 'click' }
      batches[partitionOf(click.userId, partitions)]!.push(click)
    }
  }
  await flush()
}

async function compareDumps(clicks: readonly Line[]): Promise<number> {
  let fired = 0
  let last: string[] = []
  await withProject({ log: 'embedded', partitions: 4 }, async project => {
    await fillPartitions(project, clicks)
    await project.fold()
    for (let partition = 0; partition < project.partitions; partition++) {
      const output = runPipe(await dumped(project.log, partition), ['--clock', 'log', '--signals'])
      const { lines, counts } = sortedOutput(output)
      sameRows(await tableLines(project.store, partition), lines)
      fired += counts.fired ?? 0
      last = lines
    }
    await project.release()
    const asked = ['log', 'dump', '--data', project.directory, '--partition', '3']
    const output = await runEbb(['pipe', '--clock', 'log', '--signals'], await runEbb(asked, []))
    sameRows(output.sort(), last)
  })
  return fired
}

const printLines = (file: string) =>
  skip
    ? Promise.resolve([])
    : runEbb(['import', '--print', ...importFlags(mappings[file]!), file], [])

// Both at once: the second is read while the first is compared.
for (const [name, printing] of [
  ['clicks', printLines(clicksFile)],
  ['orders', printLines(ordersFile)],
] as const)
  test(`${name}: what the tables say, the pipe says`, { skip }, async t => {
    const imported: Line[] = (await printing).map(line => JSON.parse(line))
    const replayed = imported.map(({ imported: _, ...line }) => line)
    await t.test('as printed: an import, and one tick after it', async t => {
      const counts = await comparePartition(imported)
      t.diagnostic(JSON.stringify(counts))
      assert.ok(counts.stale! > 0, 'silences that still last leave old news')
    })
    await t.test('as a replay on one partition', async t => {
      const counts = await comparePartition(replayed)
      t.diagnostic(JSON.stringify(counts))
      for (const status of ['fired', 'resolved', 'suppressed', 'held_out', 'cancelled'])
        assert.ok(counts[status]! > 0, `some alerts are ${status}`)
    })
    await t.test('each of four partitions by its dump', async t => {
      const fired = await compareDumps(replayed)
      t.diagnostic(`${fired} fired`)
      assert.ok(fired > 100)
    })
  })
