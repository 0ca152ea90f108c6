/** What commands ask of an Ebb, running or opened for the purpose: JSON in, JSON out. */
import { EbbError } from '../base/errors.ts'
import { wallClock } from '../base/time.ts'
import { goLive } from '../collector/live.ts'
import { parseRules, readRuleValues } from '../processor/pipe/options.ts'
import { addEndpoint, listEndpoints, removeEndpoint } from '../webhooks/endpoints.ts'
import { type Explanation, explainUser } from './explain.ts'
import { importVerdicts, rejectRows, type WireReject } from './import.ts'
import { keepRule, listRules } from './project.ts'
import { alertsTopic, clicksTopic, epoch, type System } from './system.ts'

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
  readonly live: boolean
  readonly clockMs: number | null
}

const topics = [clicksTopic, alertsTopic]

function checkTopic(topic: string): string {
  if (topics.includes(topic)) return topic
  throw new EbbError('badInput', `There is no topic ${topic}; there are ${topics.join(', ')}.`)
}

export function systemCalls(system: System) {
  const { log, store } = system
  return {
    async facts(): Promise<ProjectFacts> {
      const { directory, project, partitions } = system
      return {
        directory,
        project,
        partitions,
        epoch,
        live: system.isLive(),
        clockMs: system.clockMs(),
      }
    },

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
      await system.broadcaster.spread()
      return applied
    },

    async removeRule({ id }: { id: string }): Promise<void> {
      const removed = { id, removed: true } as const
      await keepRule(store, removed, removed, wallClock())
      await system.broadcaster.spread()
    },

    listRules: async () => listRules(store),

    async addEndpoint({ url }: { url: string }) {
      const there = (await listEndpoints(store)).find(endpoint => endpoint.url === url)
      if (there)
        throw new EbbError(
          'badInput',
          `Alerts go to ${url} already, as endpoint ${there.id}; remove that one first.`,
        )
      const endpoint = await addEndpoint(store, system.key, url, wallClock())
      system.webhooks?.changed()
      return endpoint
    },

    listEndpoints: async () => listEndpoints(store),

    async removeEndpoint({ id }: { id: string }): Promise<void> {
      await removeEndpoint(store, id, wallClock())
      system.webhooks?.changed()
    },

    async explain({ userId }: { userId: string }): Promise<Explanation> {
      await system.caughtUp()
      return explainUser(system, userId)
    },

    async live(): Promise<void> {
      const append = (partition: number, records: Parameters<typeof log.append>[2]) =>
        log.append(clicksTopic, partition, records)
      await goLive({ partitions: system.partitions, append }, system.clock())
      await system.caughtUp()
    },

    async bounds({ topic, partition }: { topic: string; partition: number }) {
      return log.bounds(checkTopic(topic), partition)
    },

    async read(input: {
      topic: string
      partition: number
      offset: number
      bytesMax: number
    }): Promise<WireRecord[]> {
      const { topic, partition, offset, bytesMax } = input
      const records = await log.read(checkTopic(topic), partition, offset, bytesMax)
      return records.map(record => ({
        ...record,
        value: record.value?.toString('base64') ?? null,
      }))
    },

    async append(input: {
      partition: number
      records: { key: string | null; value: string | null }[]
    }): Promise<number> {
      if (system.isLive())
        throw new EbbError('badInput', 'The project went live while the import ran.')
      const records = input.records.map(({ key, value }) => ({
        key,
        value: value === null ? null : Buffer.from(value, 'base64'),
      }))
      return log.append(clicksTopic, input.partition, records)
    },

    async rejectRows({ rows }: { rows: readonly WireReject[] }): Promise<void> {
      await rejectRows(store, rows, wallClock())
    },

    async importVerdicts({ from }: { from: readonly number[] }) {
      await system.caughtUp()
      return importVerdicts(store, from)
    },
  }
}

export type SystemCalls = ReturnType<typeof systemCalls>
