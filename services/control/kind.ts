/**
 * What a data directory holds: the real thing, or the replay of the demo. They never mix: simulated clicks
 * cannot be taken out of a real project again, and a replay runs by its own clock, not by the wall's.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EbbError } from '../base/errors.ts'
import { wallClock } from '../base/time.ts'
import { liveSettings } from './system.ts'

/** Also the project's name in the ids of alerts and sessions: `default` is the real thing. */
export type Kind = 'default' | 'demo'

const sentences = {
  default: 'holds a real project, and the demo would pour simulated clicks into it',
  demo: 'holds the demo, whose clock is a replay, and not a real project',
}
const ways = {
  default: 'Start it with --no-demo, or choose another --data for the demo.',
  demo: 'Choose another --data for the real thing, or start the demo without --no-demo.',
}

/** A small shop, in one partition: so its hours have enough clicks that the guards know what is usual. */
export const demoPartitions = 1
/** The replayer ticks each minute: a longer silence of the log is a hole. */
export const demoSettings = { guards: 'on' } as const

/** Undefined where nobody has begun a project. */
export function kindOf(directory: string): Kind | undefined {
  try {
    const text = readFileSync(join(directory, 'project'), 'utf8').trim()
    return text === 'default' || text === 'demo' ? text : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** A new directory becomes of this kind; one of the other kind is refused. For who holds the lock. */
export function claimKind(directory: string, kind: Kind): void {
  const held = kindOf(directory)
  if (held === kind) return
  if (held)
    throw new EbbError(
      'wrongProject',
      `The directory ${directory} ${sentences[held]}. ${ways[held]}`,
    )
  writeFileSync(join(directory, 'project'), `${kind}\n`)
}

/** What a project of this kind is opened with; before anything opens the directory. */
export async function openingOf(directory: string, kind: Kind) {
  if (kind === 'default')
    return { project: kind, clock: wallClock, settings: liveSettings, replay: null }
  const { openDemoClock } = await import('../demo/demo.ts')
  const replay = await openDemoClock(directory)
  return { project: kind, clock: replay.now, settings: demoSettings, replay }
}
