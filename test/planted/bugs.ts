/** What the simulator and the tests must find. */
import type { Bug } from './bug.ts'
import { bugsOfProcessor } from './bugs-of-processor.ts'
import { bugsOfWays } from './bugs-of-ways.ts'

export const bugs: readonly Bug[] = [...bugsOfProcessor, ...bugsOfWays]
