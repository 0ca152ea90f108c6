/** What the last audit found. */
import { readLastAudit } from '../audit/keep.ts'
import type { Store } from '../store/store.ts'
import { type Check, countText, durationText, ok, warn, wrong } from './check.ts'

/** It is made once a day. */
const ageMsMax = 3 * 86_400_000

export async function examineAudit(
  store: Store,
  wallClock: () => number,
): Promise<readonly Check[]> {
  const area = 'audit'
  const audit = await readLastAudit(store)
  if (!audit) return [warn(area, 'There was none yet: ebb audit makes one, processors one a day.')]
  const ageMs = wallClock() - audit.finishedMs
  const differing = audit.findings.filter(({ differences }) => differences > 0)
  if (differing.length > 0)
    return differing.map(({ kind, differences, examples }) =>
      wrong(
        area,
        `${countText(differences, 'difference')} in ${kind}, ${durationText(ageMs)} ago; the first: ${examples[0]}. See ebb audit.`,
      ),
    )
  if (ageMs > ageMsMax)
    return [warn(area, `The last one is ${durationText(ageMs)} old: is a processor running?`)]
  const checked = audit.findings.reduce((sum, finding) => sum + finding.checked, 0)
  return [ok(area, `No difference in ${checked} rows and records, ${durationText(ageMs)} ago.`)]
}
