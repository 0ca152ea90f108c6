import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import {
  addServerOptions,
  type ServerFlags,
  serversOf,
} from '../../services/control/server-options.ts'

function serversBy(needed: boolean, ...args: string[]) {
  const command = addServerOptions(new Command(), needed)
  return serversOf(command.parse(args, { from: 'user' }).opts<ServerFlags>())
}

const usual = {
  kafka: ['127.0.0.1:9092'],
  clickhouse: 'http://127.0.0.1:8123',
  clickhouseUser: 'default',
  clickhousePassword: '',
  project: 'default',
  partitions: undefined,
}

test('a service without flags serves the default project on the usual servers', () => {
  assert.deepEqual(serversBy(true), usual)
})

test('a command with one address has the other, the user and the project by default', () => {
  const kafka = ['--kafka', '10.0.0.5:9092,10.0.0.6:9092']
  assert.deepEqual(serversBy(false, ...kafka), {
    ...usual,
    kafka: ['10.0.0.5:9092', '10.0.0.6:9092'],
  })
})

test('an address of ClickHouse without its scheme is refused with what it should look like', () => {
  for (const address of ['127.0.0.1:8123', 'localhost:8123', 'tcp://localhost:9000', ''])
    assert.throws(() => serversBy(true, '--clickhouse', address), {
      code: 'badInput',
      message: `${address} is no address of ClickHouse's HTTP interface: give it whole, as in http://127.0.0.1:8123.`,
    })
  assert.equal(serversBy(true, '--clickhouse', 'https://ch:8443').clickhouse, 'https://ch:8443')
})
