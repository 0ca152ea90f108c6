/** `ebb demo cut`: what a person can do to the demo that runs. */
import type { Command } from 'commander'
import { parseDuration } from '../base/duration.ts'
import { EbbError } from '../base/errors.ts'
import { demoDirectory } from '../control/connect.ts'
import { isAnswered, readLock } from '../control/lock.ts'
import { type Calls, openCaller } from '../control/wire.ts'
import type { Cut } from './replay.ts'

/** What a running demo answers, beside what every project does. */
export interface DemoCalls extends Calls {
  cutDemo(order: { readonly durationMs: number; readonly silent: boolean }): Promise<Cut>
}

interface Flags {
  readonly data?: string
  readonly for: string
  readonly silent?: boolean
}

export function addDemo(program: Command, print: (text: string) => void): void {
  program
    .command('demo')
    .description('the demo shop that runs')
    .command('cut')
    .description('let no click come for a while: nobody is paged for it, and the page says why')
    .option('--for <duration>', "by the shop's clock, from its next ten o'clock on", '11h')
    .option('--silent', 'no other sign of time either, as when every collector is down')
    .action(async (_options: unknown, command: Command) => {
      const flags = command.optsWithGlobals<Flags>()
      const durationMs = parseDuration(flags.for)
      if (!durationMs)
        throw new EbbError('badInput', `--for ${flags.for} is no duration: give 30m, 11h or 2d.`)
      const cut = await cutDemo(flags.data ?? demoDirectory, durationMs, flags.silent === true)
      print(`No click comes from ${timeText(cut.fromMs)} to ${timeText(cut.untilMs)}.`)
    })
}

async function cutDemo(directory: string, durationMs: number, silent: boolean): Promise<Cut> {
  const lock = readLock(directory)
  if (!lock || !(await isAnswered(lock)))
    throw new EbbError('badInput', `No demo runs in ${directory}; start it with npm start.`)
  const caller = openCaller<DemoCalls>(lock.socket)
  try {
    return await caller.calls.cutDemo({ durationMs, silent })
  } finally {
    caller.close()
  }
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')
}
