/** What may go wrong, and where it is proven that no promise breaks: one row for each of the 47 faults. */
import { faultsOfClickHouse } from './faults-of-clickhouse.ts'
import { faultsOfDelivery } from './faults-of-delivery.ts'
import { faultsOfKafka } from './faults-of-kafka.ts'
import type { Fault } from './proof.ts'

export const faults: readonly Fault[] = [
  ...faultsOfClickHouse,
  ...faultsOfKafka,
  ...faultsOfDelivery,
]
