/** A process of a campaign: is told seeds, one after the other, and tells what came of each. */
import { runSeed } from './seed-runs.ts'

// Nobody is left to tell.
process.on('disconnect', () => process.exit())

process.on('message', async ({ seed, withCrashes }: { seed: number; withCrashes: boolean }) => {
  try {
    process.send!(await runSeed(seed, withCrashes))
  } catch (error) {
    console.error(`Seed ${seed} ended the simulation:`, error)
    process.exit(1)
  }
})
