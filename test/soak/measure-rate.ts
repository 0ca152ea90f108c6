/** Clicks a second that clients get through collectors, Kafka and two processors into the tables while more wait. */
import { setTimeout as wait } from 'node:timers/promises'
import { steadyClock } from '../../services/base/time.ts'
import { reached } from '../servers/compare.ts'
import type { SoakScene } from './scene.ts'
import type { Sender } from './sender.ts'

/** Some seconds' worth: so many wait on the log while it is measured. */
const backlogClicks = 30_000
const measureMs = 60_000
const lookIntervalMs = 100

export async function measureTopRate({ log, store }: SoakScene, sender: Sender): Promise<number> {
  let first: { folded: number; atMs: number } | undefined
  let sending = Promise.resolve()
  for (;;) {
    const { folded, ends } = await reached(log, store)
    const atMs = steadyClock()
    // Some flushes stand first: what comes at once with a start is no rate.
    if (!first && folded > backlogClicks) first = { folded, atMs }
    if (first && atMs - first.atMs >= measureMs) {
      await sending
      return ((folded - first.folded) * 1000) / (atMs - first.atMs)
    }
    // Clients that are behind are the bound, where they are.
    if (ends - folded < backlogClicks && sender.waitingMs() < 500)
      sending = Promise.all([sending, sender.send(2_000)]).then(() => undefined)
    await wait(lookIntervalMs)
  }
}
