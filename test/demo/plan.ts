/** A shorter demo for tests, and what a run of it leaves in the tables. */
import type { Plan } from '../../services/demo/replay.ts'

const hourMs = 3_600_000
const openMs = Date.UTC(2025, 8, 1)

export const plan: Plan = {
  openMs,
  storyMs: openMs + 21 * 24 * hourMs,
  chunkMs: 7 * 24 * hourMs,
  stepMs: 12 * hourMs,
  lagMsMax: 0,
}

export type Row = Readonly<Record<string, unknown>>

export interface Result {
  readonly clicks: readonly Row[]
  readonly rejects: readonly Row[]
  readonly sessions: readonly Row[]
  readonly alerts: readonly Row[]
}
