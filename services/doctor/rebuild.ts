/** A rebuild that is not at its end: it may be running, or have been cut short. */
import { isRevocable, readOpenRebuild } from '../rebuild/steps.ts'
import type { Store } from '../store/store.ts'
import { type Check, warn, wrong } from './check.ts'

/** Nothing to say where none is open. */
export async function examineRebuild(store: Store): Promise<readonly Check[]> {
  const open = await readOpenRebuild(store)
  if (!open) return []
  const where = `A rebuild into ${open.topic} is in its step ${open.step}`
  const next = 'where no ebb rebuild is running, run ebb rebuild, which goes on with it'
  if (isRevocable(open))
    return [warn('rebuild', `${where}, and the project is as it was: ${next} or begins anew.`)]
  return [wrong('rebuild', `${where}, and nothing new is folded before its end: ${next}.`)]
}
