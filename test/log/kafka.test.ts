/** The contract of the log port, on a real broker. */
import { after, test } from 'node:test'
import { brokersForTest } from '../../infra/kafka/broker.ts'
import { createLogger } from '../../services/base/logger.ts'
import { openKafkaLog } from '../../services/log/kafka.ts'
import { logContract } from './contract.ts'
import type { LogFixture } from './fixture.ts'

const brokers = await brokersForTest(1, { own: false })

if (typeof brokers === 'string') {
  test('kafka', { skip: brokers }, () => {})
} else {
  after(() => brokers.stop())
  const { addresses } = brokers
  const newLog = () => openKafkaLog({ brokers: addresses, logger: createLogger() })

  async function open(): Promise<LogFixture> {
    let log = await newLog()
    return {
      log,
      async reopen() {
        await log.close()
        log = await newLog()
        return log
      },
      release: () => log.close(),
    }
  }

  // Kafka drops what is due in its own time: retention is the broker's, and tested by its makers.
  logContract('kafka', { durable: true, retains: false, open })
}
