/** A topic as one process sees it through services/log/kafka: enough of it for the real membership and ownership. */
import type { Topic } from '../../../services/log/kafka/topic.ts'
import type { Broker } from '../../../services/log/kafka/wire.ts'
import type { Life, Scheduler } from '../scheduler.ts'
import type { Coordinator } from './coordinator.ts'
import type { Topics } from './topics.ts'

/** A request to a coordinator that cannot be reached fails after so long. */
const noAnswerMs = 400

export interface GroupLink {
  readonly scheduler: Scheduler
  readonly life: Life
  readonly coordinator: Coordinator
  /** One way; null while the coordinator cannot be reached. */
  readonly delayMs: () => number | null
}

/** No checkpoints here: what a group is told changes no data, and the calls of its owners stand between. */
export function groupTopic(
  link: GroupLink,
  topics: Pick<Topics, 'count'>,
  name: string,
  bounds: Topic['bounds'],
): Topic {
  const { scheduler, life, coordinator, delayMs } = link

  function ask<Answer>(
    label: string,
    work: (resolve: (answer: Answer) => void, reject: (error: Error) => void) => void,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const silent = () => reject(new Error('The coordinator does not answer.'))
    const thereMs = delayMs()
    if (thereMs === null) scheduler.plan(noAnswerMs, life, `${label} unanswered`, silent)
    else {
      const back = (then: () => void) =>
        void scheduler.plan(delayMs() ?? noAnswerMs, life, `${label} answered`, then)
      scheduler.plan(thereMs, null, `${life.name} ${label}`, () =>
        work(
          answer => back(() => resolve(answer)),
          error => back(() => reject(error)),
        ),
      )
    }
    return promise
  }

  const at = (label: string, work: () => void) =>
    ask<void>(label, (resolve, reject) => {
      try {
        work()
        resolve()
      } catch (error) {
        reject(error as Error)
      }
    })

  const broker: Pick<
    Broker,
    'joinGroup' | 'syncGroup' | 'heartbeat' | 'offsetCommit' | 'leaveGroup'
  > = {
    joinGroup: request =>
      ask('join', (resolve, reject) => coordinator.join(request, { resolve, reject })),
    syncGroup: request =>
      ask('sync', (resolve, reject) => coordinator.sync(request, { resolve, reject })),
    heartbeat: ({ memberId, groupGenerationId }) =>
      at('heartbeat', () => coordinator.heartbeat(memberId, groupGenerationId)),
    offsetCommit: async () => {}, // A hint that nobody here looks at.
    leaveGroup: ({ memberId }) => at('leave', () => coordinator.leave(memberId)),
  }
  const cluster = { findGroupCoordinator: async () => broker }
  const topic: Pick<Topic, 'name' | 'partitions' | 'refresh' | 'bounds' | 'close'> = {
    name,
    partitions: () => topics.count(name),
    refresh: async () => {},
    bounds,
    close: async () => {},
  }
  // The rest of a client is for questions that the simulator answers at the port of the log.
  return Object.assign(topic, { client: { cluster } }) as unknown as Topic
}
