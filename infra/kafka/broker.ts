/**
 * Brokers for tests, the first that can be had:
 *
 *   $KAFKA         where it is set, for tests that may share them
 *   container.ts   where Docker has an image of Kafka
 *   maven.ts       where there are Java and Maven
 */
import { startInContainers } from './container.ts'
import { startOnMaven } from './maven.ts'

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
 * `own` are needed by who stops or halts them, so $KAFKA does not do.
 */
export async function brokersForTest(
  count: 1 | 3,
  { own }: { own: boolean },
): Promise<Brokers | string> {
  const { CI, KAFKA } = process.env
  if (KAFKA && !own) return foreign(KAFKA.split(','))
  try {
    const contained = await startInContainers(count)
    return typeof contained === 'string' ? await startOnMaven(count) : contained
  } catch (error) {
    const reason = `No Kafka to test with: ${(error as Error).message}`
    if (CI) throw new Error(reason, { cause: error })
    console.error(`SKIPPED: ${reason}`)
    return reason
  }
}

function foreign(addresses: readonly string[]): Brokers {
  const notOurs = async () => {
    throw new Error('The brokers of $KAFKA are not ours to stop.')
  }
  return { addresses, signal: notOurs, restarted: notOurs, stop: async () => {} }
}
