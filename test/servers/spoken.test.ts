/** What a command on servers says beside its result: sentences, and none where all is well. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { ebb, freePort } from '../control/ebb.ts'
import { type Service, startService } from './services.ts'

const brokers = await brokersForTest(1, { own: false })

if (typeof brokers === 'string') test('what commands say', { skip: brokers }, () => {})
else
  test('a growth says sentences and no lines of a log', async t => {
    const cwd = mkdtempSync(join(tmpdir(), 'ebb-spoken-'))
    const running: Service[] = []
    t.after(async () => {
      for (const { child, stop } of running.reverse())
        if (child.exitCode === null && child.signalCode === null) await stop('SIGTERM')
      await brokers.stop()
      rmSync(cwd, { recursive: true, force: true })
    })
    const start = async (...args: string[]) => {
      const service = startService(args, cwd)
      running.push(service)
      await service.says(/topic {2}|runs: http/)
    }
    const sqlPort = String(await freePort())
    await start('clickhouse', '--data', 'ch', '--sql-port', sqlPort)
    const project = `spoken${process.pid}`
    const servers = [
      ...['--kafka', brokers.addresses.join(','), '--project', project],
      ...['--clickhouse', `http://127.0.0.1:${sqlPort}`, '--clickhouse-user', 'writer'],
    ]
    await start('processor', ...servers, '--health-port', '0', '--partitions', '1')
    const { status, stderr } = await ebb(['grow', '2', ...servers], cwd)
    assert.equal(status, 0, stderr)
    const lines = stderr.trim().split('\n')
    for (const line of lines) assert.match(line, /^[A-Za-z].*\.$/)
    assert.equal(
      lines[0],
      `Topic ${project}.e1.clicks was made with 1 of 3 replicas: no more brokers are up.`,
    )
  })
