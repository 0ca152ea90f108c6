/** What commands ask of a project, in one process or on servers: JSON in, JSON out. */
import { auditAndKeep, type KeptAudit } from '../audit/keep.ts'
import { EbbError } from '../base/errors.ts'
import { wallClock } from '../base/time.ts'
import { goLive } from '../collector/live.ts'
import type { Check } from '../doctor/check.ts'
import { examineDirectory } from '../doctor/disk.ts'
import { examineProject } from '../doctor/doctor.ts'
import type { Log, NewRecord } from '../log/log.ts'
import { parseRules, readRuleValues } from '../processor/pipe/options.ts'
import type { Store } from '../store/store.ts'
import { addEndpoint, listEndpoints, removeEndpoint } from '../webhooks/endpoints.ts'
import type { SecretKey } from '../webhooks/secrets.ts'
import { type Erased, eraseUser } from './erase.ts'
import { type Explanation, explainUser } from './explain.ts'
import { importVerdicts, rejectRows, type WireReject } from './import.ts'
import { keepRule, listRules } from './project.ts'
import { type RebuildPlace, rebuildCalls } from './rebuild.ts'
import { readStanding } from './standing.ts'

/** The project that the calls are about: system.ts is one in this process, server-project.ts one on servers. */
export interface Project {
  readonly project: string
  readonly partitions: number
  readonly epoch: number
  readonly log: Pick<Log, 'append' | 'bounds' | 'partitions' | 'read'>
  readonly store: Store
  readonly clicksTopic: string
  readonly alertsTopic: string
  /** Whether webhooks are sent, here or by a service of their own. */
  readonly delivers: boolean
  /** Of this machine: an import puts there what does not fit into memory. */
  readonly directory: string
  /** The project's clock: the wall's, or a replay's. */
  readonly clock: () => number
  /** Whether that is a replay's, which says nothing of the wall's. */
  readonly replay: boolean
  /** Opens the secrets of endpoints. */
  openKey(): Promise<SecretKey>
  /** Resolves when all that is on the clicks topic now is folded and in the tables. */
  caughtUp(): Promise<void>
  /** Rules were changed in the table: resolves when every partition's log has the change. */
  rulesChanged(): Promise<void>
  /** Goes on in a new topic with so many partitions. */
  grow(partitions: number): Promise<void>
  /** Where it can be made anew; to be closed. */
  openRebuildPlace(): Promise<RebuildPlace>
  /** Endpoints were changed in the table: resolves when no attempt begins that goes by what was before. */
  endpointsChanged(): Promise<void>
}

/** A record as it travels over the socket: the value in base64. */
export interface WireRecord {
  readonly offset: number
  readonly appendMs: number
  readonly key: string | null
  readonly value: string | null
}

export interface ProjectFacts {
  readonly directory: string
  readonly project: string
  readonly partitions: number
  readonly epoch: number
}

export function projectCalls(project: Project) {
  return {
    ...lookingCalls(project),
    ...ruleCalls(project),
    ...endpointCalls(project),
    ...changingCalls(project),
    ...rebuildCalls(project),
    ...clicksCalls(project),
  }
}

/** What the project is and holds. */
function lookingCalls(project: Project) {
  const { log, store, clicksTopic, partitions } = project
  return {
    async facts(): Promise<ProjectFacts> {
      const { directory, epoch } = project
      return { directory, project: project.project, partitions, epoch }
    },

    /** Whether the project is live, and its latest clock, when all that was appended before is folded. */
    async standing() {
      await project.caughtUp()
      return readStanding(store, clicksTopic)
    },

    async explain({ userId }: { userId: string }): Promise<Explanation> {
      await project.caughtUp()
      return explainUser(project, userId)
    },

    /** Compares the tables with the clicks, as of where the tables are, and keeps what it finds. */
    async audit(): Promise<KeptAudit> {
      return auditAndKeep({ ...project, topic: clicksTopic }, wallClock)
    },

    /** Of a project in one process: its servers are looked at without opening a project. */
    async examine(): Promise<readonly Check[]> {
      const { alertsTopic, clock, replay } = project
      const places = { log, store, clicksTopic, alertsTopic, partitions }
      const checks = await examineProject({ ...places, clock, wallClock, replay })
      return [...checks, ...(await examineDirectory(project.directory))]
    },
  }
}

function ruleCalls(project: Project) {
  const { store } = project
  return {
    /** Adds or changes all rules of a text, or none; says which of them are new. */
    async applyRules({ text }: { text: string }): Promise<{ id: string; changed: boolean }[]> {
      const values = readRuleValues(text)
      if (values.length === 0) throw new EbbError('badInput', 'There is no rule in it.')
      const rules = parseRules(values)
      const twice = rules.find(({ id }, at) => rules.findIndex(other => other.id === id) !== at)
      if (twice) throw new EbbError('badInput', `The rule ${twice.id} stands there twice.`)
      const applied: { id: string; changed: boolean }[] = []
      for (const [at, rule] of rules.entries()) {
        const changed = await keepRule(store, rule, values[at], wallClock())
        applied.push({ id: rule.id, changed })
      }
      await project.rulesChanged()
      return applied
    },

    async removeRule({ id }: { id: string }): Promise<void> {
      const removed = { id, removed: true } as const
      await keepRule(store, removed, removed, wallClock())
      await project.rulesChanged()
    },

    listRules: async () => listRules(store),
  }
}

function endpointCalls(project: Project) {
  const { store } = project
  return {
    async addEndpoint({ url }: { url: string }) {
      const there = (await listEndpoints(store)).find(endpoint => endpoint.url === url)
      if (there)
        throw new EbbError(
          'badInput',
          `Alerts go to ${url} already, as endpoint ${there.id}; remove that one first.`,
        )
      const endpoint = await addEndpoint(store, await project.openKey(), url, wallClock())
      await project.endpointsChanged()
      return endpoint
    },

    listEndpoints: async () => listEndpoints(store),

    async removeEndpoint({ id }: { id: string }): Promise<void> {
      await removeEndpoint(store, id, wallClock())
      await project.endpointsChanged()
    },
  }
}

/** What changes the project as a whole, or takes something out of it. */
function changingCalls(project: Project) {
  const { partitions } = project
  return {
    async erase({ userId }: { userId: string }): Promise<Erased> {
      return eraseUser(project, userId)
    },

    async grow({ partitions: wanted }: { partitions: number }): Promise<void> {
      await project.grow(wanted)
    },

    async live(): Promise<void> {
      await goLive({ partitions, append: appendTo(project) }, project.clock())
      await project.caughtUp()
    },
  }
}

/** The clicks, record by record, and what an import tells of them. */
function clicksCalls(project: Project) {
  const { log, store, clicksTopic } = project
  return {
    /** Of the clicks. */
    async bounds({ partition }: { partition: number }) {
      return log.bounds(clicksTopic, partition)
    },

    /** Of the clicks. */
    async read(input: {
      partition: number
      offset: number
      bytesMax: number
    }): Promise<WireRecord[]> {
      const { partition, offset, bytesMax } = input
      const records = await log.read(clicksTopic, partition, offset, bytesMax)
      return records.map(record => ({
        ...record,
        value: record.value?.toString('base64') ?? null,
      }))
    },

    async append(input: {
      partition: number
      records: { key: string | null; value: string | null }[]
    }): Promise<number> {
      if ((await readStanding(store, clicksTopic)).live)
        throw new EbbError('importEnded', 'The project went live while the import ran.')
      const records = input.records.map(({ key, value }) => ({
        key,
        value: value === null ? null : Buffer.from(value, 'base64'),
      }))
      return appendTo(project)(input.partition, records)
    },

    async rejectRows({ rows }: { rows: readonly WireReject[] }): Promise<void> {
      await rejectRows(store, rows, wallClock())
    },

    async importVerdicts({ from }: { from: readonly number[] }) {
      await project.caughtUp()
      return importVerdicts(store, from)
    },
  }
}

function appendTo({ log, clicksTopic }: Project) {
  return (partition: number, records: readonly NewRecord[]) =>
    log.append(clicksTopic, partition, records)
}

export type ProjectCalls = ReturnType<typeof projectCalls>
