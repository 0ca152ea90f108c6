/** What a collector and a processor, run as they are on servers, say of themselves at /metrics. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { freePort } from '../control/ebb.ts'
import { metricsOnce, readMetrics, sumOf } from './metrics.ts'
import { type Service, startService } from './services.ts'

const partitions = 4
const timeoutMs = 90_000

const brokers = await brokersForTest(1, { own: false })

if (typeof brokers === 'string') test('metrics', { skip: brokers }, () => {})
else
  test('a collector and a processor count what went through them', {
    timeout: timeoutMs,
  }, async t => {
    const cwd = mkdtempSync(join(tmpdir(), 'ebb-metrics-'))
    const running: Service[] = []
    t.after(async () => {
      for (const { child, stop } of running)
        if (child.exitCode === null && child.signalCode === null) await stop('SIGKILL')
      await brokers.stop()
      rmSync(cwd, { recursive: true, force: true })
    })
    const start = async (...args: string[]) => {
      const service = startService(args, cwd)
      running.unshift(service)
      // The last line that it prints, or what it logs would do as well.
      await service.says(/^ {2}topic {2}|^ClickHouse.* runs: http/m)
      return service
    }
    const sqlPort = await freePort()
    await start('clickhouse', '--data', 'ch', '--sql-port', `${sqlPort}`)
    const project = `metrics${process.pid}`
    const servers = [
      ...['--kafka', brokers.addresses.join(','), '--clickhouse', `http://127.0.0.1:${sqlPort}`],
      ...['--clickhouse-user', 'writer', '--project', project, '--health-port', '0'],
      ...['--partitions', `${partitions}`],
    ]
    const processor = await start('processor', ...servers)
    const collector = await start('collector', ...servers, '--port', '0')
    const [, door] = /Clicks go to (\S+)\/v1\/track/.exec(collector.output())!
    const post = async (path: string, body: object) => {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${door}/v1/${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      return answer.status
    }
    const clicks = ['u1', 'u2', 'u3', 'u1'].map((userId, at) => ({
      type: 'track',
      userId,
      event: 'Seen',
      messageId: `m${at}`,
    }))
    assert.equal(await post('batch', { batch: [...clicks, { type: 'track', event: 'x' }] }), 200)
    assert.equal(await post('track', clicks[0]!), 200)

    const door1 = await readMetrics(collector)
    assert.equal(door1.get('ebb_clicks_accepted_total'), 5)
    assert.equal(sumOf(door1, 'ebb_clicks_rejected_total'), 1)
    assert.equal(door1.get('ebb_collector_answers_total{status="200"}'), 2)

    const folded = await metricsOnce(
      processor,
      figures =>
        figures.get('ebb_rejects_total{kind="duplicate",reason="id"}') === 1 &&
        figures.get('ebb_partitions_owned') === partitions &&
        sumOf(figures, 'ebb_consumer_lag_records') === 0,
    )
    assert.equal(folded.get('ebb_partitions'), partitions)
    assert.equal(folded.get('ebb_flush_rows_total{table="clicks"}'), 4)
    assert.equal(sumOf(folded, 'ebb_partition_users'), 3)
    const next = sumOf(folded, 'ebb_partition_next_offset')
    assert.equal(next, sumOf(folded, 'ebb_partition_end_offset'))
    assert.equal(next, folded.get('ebb_records_folded_total'))
    assert.ok(folded.get('ebb_flush_duration_seconds_count')! >= 1)
    for (const [line, value] of folded)
      if (line.startsWith('ebb_freshness_seconds')) assert.ok(value < 60, `${line} ${value}`)
    assert.ok(folded.has('process_cpu_seconds_total'), "the process's own figures")
    const text = [...folded.keys(), ...door1.keys()].join('\n')
    assert.doesNotMatch(text, /"u[123]"/, 'no label holds a user')
  })
