/**
 * Inserts into one table that come close to one another go as one. Each costs the engine a part of its own, whatever
 * is in it, and merges later on; a process that flushes several partitions at once would make many small ones.
 *
 *   stored             for all of them
 *   failed, passes     for all of them: each tries again
 *   too much memory    each is tried alone: together they would be too much again
 *   failed for good    each is tried alone, so that nobody's rows stop another's
 */
import { EbbError } from '../base/errors.ts'
import { after } from '../base/time.ts'
import { isTooMuch } from './failure.ts'
import type { Store } from './store.ts'

/** How long an insert waits for others: far below what it takes. */
const gatherMs = 10
/** Inserts beyond it go apart: together they must stay one block, within the memory that a query may use. */
export const joinedRowsMax = 50_000

type Insert = Store['insert']

interface Waiting {
  readonly rows: readonly object[]
  readonly stored: PromiseWithResolvers<void>
}

export function joinInserts(insert: Insert): Insert {
  /** By table: those that gather now, and how many rows they have. */
  const gathering = new Map<string, { readonly group: Waiting[]; count: number }>()

  async function send(table: string, group: readonly Waiting[]): Promise<void> {
    try {
      await insert(table, group.length === 1 ? group[0]!.rows : group.flatMap(({ rows }) => rows))
      for (const { stored } of group) stored.resolve()
    } catch (error) {
      const passes = error instanceof EbbError && error.retriable && !isTooMuch(error)
      if (group.length === 1 || passes) for (const { stored } of group) stored.reject(error)
      else for (const one of group) void send(table, [one])
    }
  }

  return (table, rows) => {
    const stored = Promise.withResolvers<void>()
    const entry = { rows, stored }
    const open = gathering.get(table)
    if (open && open.count + rows.length <= joinedRowsMax) {
      open.group.push(entry)
      open.count += rows.length
    } else {
      const fresh = { group: [entry], count: rows.length }
      gathering.set(table, fresh)
      after(gatherMs, () => {
        if (gathering.get(table) === fresh) gathering.delete(table)
        void send(table, fresh.group)
      })
    }
    return stored.promise
  }
}
