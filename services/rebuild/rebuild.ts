/**
 * Makes the project anew from its clicks, and from files of history: a new epoch whose topic holds all that its tables
 * are made of. The old epoch serves until the new one is whole. What was begun goes on where it stopped (steps.ts).
 */
import { EbbError } from '../base/errors.ts'
import { after, pause, wallClock } from '../base/time.ts'
import { readBroadcasts } from '../control/project.ts'
import { readNextOffsets } from '../control/standing.ts'
import { encodeRecord } from '../log/codec.ts'
import type { Log, TopicSettings } from '../log/log.ts'
import type { Store } from '../store/store.ts'
import {
  appendEnd,
  appendHistory,
  carryBehindSeals,
  foldHistory,
  isHistoryAlone,
} from './append.ts'
import { sealEpoch } from './drain.ts'
import { type Epoch, keepEpoch, makeTopic, refuseMoved, topicOf } from './epochs.ts'
import {
  addRecords,
  clearRounds,
  type HistoryRecord,
  historyTables,
  makeHistory,
  takeClicks,
  takeErasures,
  takeIncoming,
} from './history.ts'
import { type Present, readChain } from './present.ts'
import {
  copyErasures,
  copyRejects,
  dropShadow,
  exchangeTables,
  makeShadow,
  newTables,
  type Tables,
} from './shadow.ts'
import { readStandings } from './standings.ts'
import {
  freeEpoch,
  isRevocable,
  keepRebuild,
  type Rebuild,
  readOpenRebuild,
  type Step,
} from './steps.ts'

export interface Site {
  readonly log: Log
  readonly tables: Tables
  readonly project: string
  readonly firstTopic: string
  /** Of a new topic. */
  readonly topic: Omit<TopicSettings, 'partitions'>
  readonly alertsTopic: string
  readonly alertsPartitions: number
  /** Resolves when what stands before the epoch's Seals is in the tables. */
  readonly drain: (epoch: Present) => Promise<void>
  /** What is being done, for a person. */
  readonly tell: (sentence: string) => void
  readonly stopping: AbortSignal
}

/** Begins one; what an open one had come to is given up where that may be. Then `addIncoming`, and `continueRebuild`. */
export async function beginRebuild(site: Site, present: Epoch): Promise<Rebuild> {
  const { tables } = site
  const open = await readOpenRebuild(tables.store)
  if (open && !isRevocable(open))
    throw new EbbError(
      'badInput',
      'A rebuild is on its way and cannot be begun anew: go on with it by ebb rebuild, without files.',
    )
  await refuseMoved(tables.store, present)
  // Here already, before files are read for nothing.
  await refuseHeld(tables.store, present)
  if (open) await keepRebuild(tables.store, { ...open, step: 'given up' }, wallClock())
  const epoch = await freeEpoch(tables.store)
  const { partitions } = present
  const rebuild: Rebuild = {
    ...{ epoch, topic: topicOf(site.firstTopic, epoch), partitions, step: 'staging' },
    ...{ from: present.epoch, points: [], tables: {} },
  }
  await makeShadow(tables)
  await makeHistory(tables)
  await keepRebuild(tables.store, rebuild, wallClock())
  return rebuild
}

/**
 * Goes on with one that came to its end, of which tables from a backup know nothing: its topic holds all that it made,
 * and the clicks since. Then `continueRebuild`.
 */
export async function adoptRebuild(
  { tables }: Site,
  present: Epoch,
  { epoch, topic, partitions }: Epoch,
): Promise<void> {
  await refuseMoved(tables.store, present)
  const open = await readOpenRebuild(tables.store)
  if (open && open.epoch !== epoch)
    await keepRebuild(tables.store, { ...open, step: 'given up' }, wallClock())
  await makeShadow(tables)
  const from = { from: present.epoch, points: [], tables: {} }
  const rebuild: Rebuild = { epoch, topic, partitions, step: 'adopting', ...from }
  await keepRebuild(tables.store, rebuild, wallClock())
}

/** Ends one that was not sealed; the project is as it was. */
export async function giveUpRebuild({ tables }: Site): Promise<void> {
  const open = await readOpenRebuild(tables.store)
  if (!open || !isRevocable(open)) return
  await keepRebuild(tables.store, { ...open, step: 'given up' }, wallClock())
  await dropShadow(tables, historyTables)
}

/** The epoch that it is made from, whether or not the project is in the new one already. */
export async function originOf(
  { tables, firstTopic }: Site,
  { from, partitions }: Rebuild,
): Promise<Present> {
  const origin = (await readChain(tables.store)).find(({ epoch }) => epoch === from)
  return origin ?? { epoch: from, topic: firstTopic, partitions, previous: undefined }
}

/** Brings a rebuild to its end, from the step that it is in. `present`: the epoch that it is made from. */
export async function continueRebuild(site: Site, present: Present, from: Rebuild): Promise<void> {
  // What is waited for keeps no process alive by itself.
  const letEnd = after(Number.POSITIVE_INFINITY, () => undefined)
  try {
    let rebuild = from
    while (rebuild.step !== 'done' && rebuild.step !== 'given up') {
      site.stopping.throwIfAborted()
      rebuild = { ...rebuild, ...(await take[rebuild.step](site, present, rebuild)) }
      await keepRebuild(site.tables.store, rebuild, wallClock())
    }
  } finally {
    letEnd()
  }
  await dropShadow(site.tables, historyTables)
}

type Progress = Partial<Rebuild> & { readonly step: Step }
type Take = (site: Site, present: Present, rebuild: Rebuild) => Promise<Progress>

const take: Readonly<Record<Exclude<Step, 'done' | 'given up'>, Take>> = {
  async staging({ log, topic: settings, tables, tell }, present, { topic, partitions }) {
    await refuseHeld(tables.store, present)
    // Only here is it known that nothing on it is of this rebuild.
    if (!(await makeTopic(log, topic, { ...settings, partitions }))) throw taken(topic)
    tell('Putting clicks in order.')
    const points = await readPoints(tables.store, present)
    await clearRounds(tables, [0, 1])
    await addRecords(tables, await broadcasts(tables.store, partitions, 0))
    await takeClicks(tables, 1, { epoch: present.epoch, points, partitions })
    const twice = await takeIncoming(tables)
    if (twice > 0) tell(`${twice} clicks of the files are in the project already, by user and id.`)
    return { step: 'folding', points }
  },

  async folding(site, present, rebuild) {
    if (!(await appendHistory(site, rebuild))) throw await givenUp(site, rebuild)
    await foldHistory(site, rebuild)
    await refuseHeld(site.tables.store, present)
    if (!(await isHistoryAlone(site, rebuild))) throw await givenUp(site, rebuild)
    return { step: 'sealing' }
  },

  async sealing({ log, tables, tell, drain }, present) {
    await sealEpoch(log, tables.store, present)
    tell(`${present.topic} is sealed, and folded up to its seals.`)
    await drain(present)
    return { step: 'closing' }
  },

  async closing({ tables }, present, { points, partitions }) {
    await clearRounds(tables, [2, 3])
    const taken = { epoch: present.epoch, points, partitions }
    await takeClicks(tables, 2, taken)
    await takeErasures(tables, taken)
    await copyErasures(tables)
    const changed = await broadcasts(tables.store, partitions, 3)
    await addRecords(tables, changed)
    await addEnd(tables, present, partitions, changed.length / partitions)
    return { step: 'ending' }
  },

  async ending(site, _present, rebuild) {
    await appendEnd(site, rebuild)
    return { step: 'carrying' }
  },

  async adopting({ log, tables, drain }, present) {
    // Retention may have taken those that were there, with all before them: then nothing would end it.
    await sealEpoch(log, tables.store, present)
    await drain(present)
    // Those between the backup and the Seals.
    await copyErasures(tables)
    return { step: 'carrying' }
  },

  async carrying(site, present, rebuild) {
    await carryBehindSeals(site, present, rebuild)
    await foldHistory(site, rebuild)
    return { step: 'switching', tables: await newTables(site.tables) }
  },

  async switching(
    { tables, tell, stopping },
    present,
    { epoch, topic, partitions, tables: uuids },
  ) {
    await exchangeTables(tables, uuids, topic)
    await keepEpoch(tables.store, present, { epoch, topic, partitions, rebuilt: true }, wallClock())
    tell(`The project goes on in ${topic}.`)
    // Queries and inserts that began before the exchange still hold the old tables.
    await pause(graceMs, stopping)
    await copyRejects(tables)
    return { step: 'done' }
  },
}

const graceMs = 1_000

function taken(topic: string): EbbError {
  return new EbbError(
    'badInput',
    `The topic ${topic} is there already, with records or another number of partitions: a growth or a rebuild left it that the tables know nothing of. It is left alone: give the command again, and it takes the next one.`,
  )
}

/** A click twice in the history would be late the second time, and counted: its session may be over by then. */
async function givenUp(site: Site, { topic }: Rebuild): Promise<EbbError> {
  await giveUpRebuild(site)
  return new EbbError(
    'badInput',
    `${topic} holds records of the rebuild twice: it took them without an answer, after they were sent again. So the rebuild is given up, and the project is as it was: begin it again, with its files where it had some, and it takes a new topic.`,
  )
}

/** A hole in the clicks is not told by the clicks: the timers that wait for it would not wait in the new epoch. */
async function refuseHeld(store: Store, { topic }: Epoch): Promise<void> {
  const [row] = await store.query<{ held: string }>(
    "SELECT countIf(held = 'hole') AS held FROM progress FINAL WHERE topic = {topic:String}",
    { topic },
  )
  if (Number(row!.held) > 0)
    throw new EbbError(
      'badInput',
      'No click could come in a short while ago, and alerts wait because of it, for an hour at most: give the same command again when they wait no longer.',
    )
}

async function readPoints(store: Store, { topic, partitions }: Epoch): Promise<number[]> {
  const offsets = await readNextOffsets(store, topic)
  return Array.from({ length: partitions }, (_, partition) => offsets.get(partition) ?? 0)
}

/** Every revision that there is, for each partition; one that a partition holds already changes nothing. */
async function broadcasts(
  store: Store,
  partitions: number,
  round: 0 | 3,
): Promise<HistoryRecord[]> {
  const values = (await readBroadcasts(store)).map(({ record }) => encodeRecord(record))
  return Array.from({ length: partitions }, (_, partition) =>
    values.map((value, offset) => ({ partition, round, offset, userId: null, value })),
  ).flat()
}

/** What the old epoch knew of users, and `Live` at its clock, behind `before` records of the round. */
async function addEnd(
  tables: Tables,
  present: Epoch,
  partitions: number,
  before: number,
): Promise<void> {
  const next = new Array<number>(partitions).fill(before)
  for await (const standings of readStandings(tables.store, partitions))
    await addRecords(
      tables,
      standings.map(({ partition, userId, value }) => {
        const offset = next[partition]!++
        return { partition, round: 3, offset, userId, value }
      }),
    )
  const ends = await liveRecords(tables.store, present)
  await addRecords(
    tables,
    ends.map(({ partition, value }) => {
      return { partition, round: 3, offset: next[partition]!, userId: null, value }
    }),
  )
}

/** None where imports still run, or nothing moved the clock yet. */
async function liveRecords(store: Store, { topic }: Epoch) {
  const rows = await store.query<{ partition: number; clock: string | null; state: string }>(
    `SELECT partition, toUnixTimestamp64Milli(clock) AS clock, state FROM progress FINAL
     WHERE topic = {topic:String}`,
    { topic },
  )
  return rows.flatMap(({ partition, clock, state }) => {
    const { imports, settings } = JSON.parse(state) as {
      imports: string
      settings: { skewMs: number }
    }
    if (imports === 'running' || clock === null) return []
    // As long before the clock as a writer may be ahead of the log: so it moves time to there, and no further.
    const atMs = Math.max(0, Number(clock) - settings.skewMs)
    return [{ partition: Number(partition), value: encodeRecord({ kind: 'live', atMs }) }]
  })
}
