import type { Dead } from '../../log/record.ts'

/** A row that is no click: `reason` for counting, `detail` for a person. */
export function dead(reason: string, detail: string): Dead {
  return { kind: 'dead', reason, detail }
}
