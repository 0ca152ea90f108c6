/** `ebb rebuild`: the project made anew from its clicks, and from files of history. */
import { join } from 'node:path'
import { readHorizon } from '../audit/horizon.ts'
import { EbbError } from '../base/errors.ts'
import { partitionOf, slotOf } from '../base/slot.ts'
import { wallClock } from '../base/time.ts'
import { loadFiles, type Surroundings } from '../collector/import/command.ts'
import { clickOf } from '../collector/import/draft.ts'
import { type MappingOptions, readMapping } from '../collector/import/mapping.ts'
import type { SortedClicks } from '../collector/import/read.ts'
import type { Sink, Written } from '../collector/import/target.ts'
import { encodeRecord } from '../log/codec.ts'
import { findAhead } from '../rebuild/ahead.ts'
import { type Epoch, isDrained } from '../rebuild/epochs.ts'
import { addIncoming, type IncomingClick } from '../rebuild/history.ts'
import { readChain } from '../rebuild/present.ts'
import {
  adoptRebuild,
  beginRebuild,
  continueRebuild,
  giveUpRebuild,
  originOf,
  type Site,
} from '../rebuild/rebuild.ts'
import { readOpenRebuild, steps } from '../rebuild/steps.ts'
import type { Store } from '../store/store.ts'
import type { Project, ProjectCalls } from './calls.ts'
import { wiredRejects } from './import.ts'
import { readStanding } from './standing.ts'

export interface RebuildPlace {
  readonly site: Site
  /** The epoch that the project is in. */
  readonly present: Epoch
  close(): Promise<void>
}

export function rebuildCalls(project: Pick<Project, 'store' | 'clicksTopic' | 'openRebuildPlace'>) {
  const { store, clicksTopic } = project
  const inPlace = async <Result>(work: (place: RebuildPlace) => Promise<Result>) => {
    const place = await project.openRebuildPlace()
    try {
      return await work(place)
    } finally {
      await place.close()
    }
  }
  return {
    /** False where one that was begun before goes on: it takes no clicks of files any more. */
    async beginRebuild({ files }: { files: boolean }): Promise<boolean> {
      if (await inPlace(place => adopt(place, files))) return false
      const open = await readOpenRebuild(store)
      if (open && open.step !== 'staging' && !files) return false
      await refuseUnfit(store)
      await inPlace(({ site, present }) => beginRebuild(site, present))
      return true
    },

    /** Clicks of files for the rebuild that was begun. */
    async addIncoming({ clicks }: { clicks: readonly IncomingClick[] }): Promise<void> {
      const { live, clockMs } = await readStanding(store, clicksTopic)
      const ahead = clicks.find(({ timestampMs }) => live && timestampMs > (clockMs ?? 0))
      if (ahead) throw tooLate(ahead.timestampMs, clockMs!)
      await inPlace(({ site }) => addIncoming(site.tables.shadow, clicks))
    },

    async giveUpRebuild(): Promise<void> {
      await inPlace(({ site }) => giveUpRebuild(site))
    },

    /** Brings the open rebuild to its end. */
    async rebuild(): Promise<void> {
      await inPlace(async ({ site }) => {
        // Here nobody else works on it.
        const open = await readOpenRebuild(store)
        if (!open) throw new EbbError('badInput', 'There is no rebuild to go on with.')
        await continueRebuild(site, await originOf(site, open), open)
      })
    },
  }
}

/** Whether tables from before a rebuild go on with what that one made. */
async function adopt({ site, present }: RebuildPlace, files: boolean): Promise<boolean> {
  const { log, tables, firstTopic } = site
  const open = await readOpenRebuild(tables.store)
  // It has the tables of the new epoch beside already.
  if (open && steps.indexOf(open.step) >= steps.indexOf('adopting')) return false
  const ahead = await findAhead({ log, store: tables.store }, firstTopic)
  if (!ahead?.rebuilt) return false
  if (files)
    throw new EbbError(
      'badInput',
      `The project went on in ${ahead.topic}, by a rebuild of which these tables know nothing: give ebb rebuild without files first, which makes the tables from that topic.`,
    )
  await adoptRebuild(site, present, ahead)
  return true
}

/** Throws a sentence where a rebuild would lose something. */
async function refuseUnfit(store: Store): Promise<void> {
  const horizonMs = await readHorizon(store, wallClock())
  if (Number.isFinite(horizonMs))
    throw new EbbError(
      'badInput',
      `The table clicks keeps nothing before ${new Date(horizonMs).toISOString()}, by its TTL: what follows from older clicks would be lost. Without that TTL a rebuild makes anew what follows from those that are there.`,
    )
  for (const epoch of (await readChain(store)).slice(0, -1))
    if (!(await isDrained(store, epoch)))
      throw new EbbError(
        'badInput',
        'A growth of the project is not at its end: bring it there first, by ebb grow.',
      )
}

function tooLate(timeMs: number, clockMs: number): EbbError {
  const [click, clock] = [timeMs, clockMs].map(ms => new Date(ms).toISOString())
  return new EbbError(
    'badInput',
    `These files reach to ${click}, beyond the clock of the project, ${clock}: history is what lies before it.`,
  )
}

/** Clicks sent in one call: keeps a line of the socket small. */
const clicksAtOnce = 2_000

function incomingSink(calls: ProjectCalls, partitions: number): Sink {
  return {
    verb: 'taken',
    ready: () => undefined,
    write: (clicks, onClicks) => sendAll(calls, partitions, clicks, onClicks),
  }
}

async function sendAll(
  calls: ProjectCalls,
  partitions: number,
  clicks: SortedClicks,
  onClicks: (written: number) => void,
): Promise<Written> {
  let written = 0
  let batch: IncomingClick[] = []
  const send = async () => {
    if (batch.length > 0) await calls.addIncoming({ clicks: batch })
    written += batch.length
    batch = []
    onClicks(written)
  }
  for (const { text } of clicks.sorted()) {
    const click = clickOf(text)
    const { userId, eventId, timestampMs } = click
    batch.push({
      ...{ userId, eventId, timestampMs, order: written + batch.length },
      slot: slotOf(userId),
      partition: partitionOf(userId, partitions),
      record: encodeRecord(click).toString('base64'),
    })
    if (batch.length === clicksAtOnce) await send()
  }
  await send()
  return { written, alreadyThere: 0 }
}

export async function rebuildProject(
  calls: ProjectCalls,
  files: readonly string[],
  options: MappingOptions,
  surroundings: Surroundings,
): Promise<void> {
  const mapping = readMapping(options)
  const begun = await calls.beginRebuild({ files: files.length > 0 })
  if (begun && files.length > 0) {
    const { directory, partitions } = await calls.facts()
    try {
      await loadFiles(files, mapping, surroundings, {
        sink: incomingSink(calls, partitions),
        temporaryDirectory: join(directory, 'import'),
        reject: rows => calls.rejectRows({ rows: wiredRejects(rows) }),
        verdicts: async () => null,
        output: surroundings.stdout,
      })
    } catch (error) {
      await calls.giveUpRebuild()
      throw error
    }
  }
  await calls.rebuild()
}
