/**
 * Brokers for tests, the first that can be had:
 *
 *   $KAFKA         where it is set, for tests that may share them
 *   container.ts   where Docker has an image of Kafka
 *   maven.ts       where there are Java and Maven
 */
import { startInContainers } from './container.ts'
import { startOnMaven } from './maven.ts'
import { checkReplication } from './replication.ts'

export interface Brokers {
  readonly addresses: readonly string[]
  /** Ends, halts or continues one that was started here, by number. One that ends is started again. */
  signal(broker: number, signal: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  /** Resolves when a broker that the latest signal ended answers again. */
  restarted(broker: number): Promise<void>
  stop(): Promise<void>
}

/**
 * Why there are none is a sentence; with CI set it is an error instead: there, no test is left out.
 * `own` are needed by who stops or halts them, so $KAFKA does not do. $EBB_BROKERS=3 gives three to who asks for one,
 * and says so (`npm run faults`); their topics are then looked at as they stop.
 */
export async function brokersForTest(
  asked: 1 | 3,
  { own }: { own: boolean },
): Promise<Brokers | string> {
  const { CI, KAFKA, EBB_BROKERS } = process.env
  if (KAFKA && !own) return foreign(KAFKA.split(','))
  const count = EBB_BROKERS === '3' ? 3 : asked
  try {
    const contained = await startInContainers(count)
    const brokers = typeof contained === 'string' ? await startOnMaven(count) : contained
    if (EBB_BROKERS) console.log(`Kafka has ${brokers.addresses.length} brokers.`)
    return count > asked ? lookedAt(brokers) : brokers
  } catch (error) {
    const reason = `No Kafka to test with: ${(error as Error).message}`
    if (CI) throw new Error(reason, { cause: error })
    console.error(`SKIPPED: ${reason}`)
    return reason
  }
}

/** Who made a topic for one broker alone is told when the test ends. */
function lookedAt(brokers: Brokers): Brokers {
  return {
    ...brokers,
    async stop() {
      try {
        await checkReplication(brokers.addresses)
      } finally {
        await brokers.stop()
      }
    },
  }
}

function foreign(addresses: readonly string[]): Brokers {
  const notOurs = async () => {
    throw new Error('The brokers of $KAFKA are not ours to stop.')
  }
  return { addresses, signal: notOurs, restarted: notOurs, stop: async () => {} }
}
