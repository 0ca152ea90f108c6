/**
 * All checkers. Of I7 (bounded memory, queues and handles) the webhooks' requests under way are among them; the soak
 * measures memory and open files of real processes.
 */
import type { Evidence } from '../evidence.ts'
import { checkAccounting } from './accounting.ts'
import { checkAlerts } from './alerts.ts'
import { checkAppends } from './appends.ts'
import { checkBounds } from './bounds.ts'
import { checkDeliveries } from './deliveries.ts'
import { checkEndpoints } from './endpoints.ts'
import { checkErasures } from './erasures.ts'
import { checkJournal } from './journal.ts'
import { checkLiveness } from './liveness.ts'
import { checkModel } from './model.ts'
import { checkProgress } from './progress.ts'
import { referenceOf } from './reference.ts'
import { checkSecrets } from './secrets.ts'
import { checkOpenSessions, checkSessions, checkTables } from './tables.ts'

/** What is wrong with a run, as sentences; none: nothing. */
export async function checkAll(evidence: Evidence): Promise<string[]> {
  const alive = checkLiveness(evidence)
  // What is not through cannot be complete.
  if (!evidence.settled) return alive
  const reference = await referenceOf(evidence.topics)
  return [
    ...alive,
    ...checkAppends(evidence),
    ...checkJournal(evidence),
    ...checkTables(evidence, reference),
    ...checkSessions(evidence, reference),
    ...checkOpenSessions(evidence),
    ...checkModel(evidence, reference),
    ...checkAlerts(evidence, reference),
    ...checkDeliveries(evidence),
    ...checkEndpoints(evidence),
    ...checkBounds(evidence),
    ...checkProgress(evidence, reference),
    ...checkAccounting(evidence, reference),
    ...checkErasures(evidence),
    ...checkSecrets(evidence),
  ]
}
