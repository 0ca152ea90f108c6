/**
 * The demo: a simulated shop replayed in faster time, two alert rules, and a receiver that prints what reaches
 * it. All that must outlast a restart lies in the log and the tables: how far the replay is, that the rules
 * were applied, the endpoint and its sealed secret.
 */
import { steadyClock } from '../base/time.ts'
import type { ProjectCalls } from '../control/calls.ts'
import type { System } from '../control/system.ts'
import { signingEndpoints } from '../webhooks/endpoints.ts'
import { type Receiver, startReceiver } from '../webhooks/receiver.ts'
import { createReplayClock, type ReplayClock } from './clock.ts'
import { newsOf } from './news.ts'
import { clockOf } from './position.ts'
import { type Cut, everyBeat, type Plan, replay } from './replay.ts'
import { createShop } from './shop.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000

/** A Monday; five weeks later the story begins. */
const openMs = Date.UTC(2025, 8, 1)
const demoPlan: Plan = {
  openMs,
  storyMs: openMs + 35 * dayMs,
  chunkMs: 7 * dayMs,
  stepMs: 30 * minuteMs,
  lagMsMax: 6 * 60 * minuteMs,
}
/** Two hours of the project a second. */
const beatMs = 250
const seed = 7

/** Marks the endpoint as the demo's own: its port may change from one start to the next. */
const receiverPath = '/demo-receiver'

const demoRules = [
  {
    id: 'high-value-quiet',
    when: { quiet_for: '3d' },
    who: { tier: 'high' },
    then: { escalate: ['7d'], resolve: true },
  },
  {
    id: 'buying-stopped',
    when: { expected: { gone_after: '60d', probability: 0.5, not_before: '14d' } },
    who: { value_90d: { at_least: 400 } },
    then: { resolve: true },
  },
]

/** The clock of the demo in this directory, where the last run left it. Before anything opens the directory. */
export async function openDemoClock(directory: string, plan = demoPlan): Promise<ReplayClock> {
  return createReplayClock((await clockOf(directory)) ?? plan.openMs)
}

/** By the shop's clock: from then on an hour brings enough clicks that their absence is noticed. */
const cutHour = 10

export interface Demo {
  readonly receiverUrl: string
  /**
   * Lets no click come for so long, from the shop's next ten o'clock on: to see that nobody is paged for it.
   * `silent`: no ticks either.
   */
  cut(durationMs: number, silent: boolean): Cut
  /** Stops the replay, then the receiver. */
  stop(): Promise<void>
}

export interface DemoOptions {
  readonly system: System
  readonly clock: ReplayClock
  readonly calls: Pick<ProjectCalls, 'applyRules' | 'addEndpoint' | 'removeEndpoint'>
  readonly print: (line: string) => void
  /** 0 takes any free one. */
  readonly receiverPort: number
  readonly plan?: Plan
  /** Resolves when the next step of the story may be taken. */
  readonly beat?: () => Promise<void>
}

/** Returns while the history is still being replayed. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const { system, clock, calls, print, plan = demoPlan } = options
  const stopping = new AbortController()
  const receiver = await openReceiver(options)
  const startedMs = steadyClock()
  let cut: Cut | undefined
  const resumed = clock.now() > plan.storyMs
  print(
    resumed
      ? `The simulated shop goes on at ${dateText(clock.now())}.`
      : `The simulated shop: ${(plan.storyMs - plan.openMs) / (7 * dayMs)} weeks of history first.`,
  )
  const work = replay({
    system,
    clock,
    plan,
    shop: createShop({ seed, openMs: plan.openMs, storyMs: plan.storyMs }),
    beat: options.beat ?? everyBeat(beatMs, stopping.signal),
    cut: () => cut,
    onHistory: uptoMs => print(`  history up to ${dateText(uptoMs)}`),
    async onStory() {
      const seconds = ((steadyClock() - startedMs) / 1_000).toFixed(1)
      await calls.applyRules({ text: JSON.stringify(demoRules) })
      print(
        `History replayed in ${seconds} s. From here on two hours of the shop pass each second.`,
      )
    },
    troubled: error => print(`The replay waits: ${error.message}`),
    stopping: stopping.signal,
  })
  return {
    receiverUrl: receiver.url,
    cut(durationMs, silent) {
      const today = Math.floor(clock.now() / dayMs)
      const todayMs = today * dayMs + cutHour * hourMs
      const fromMs = clock.now() <= todayMs ? todayMs : todayMs + dayMs
      cut = { fromMs, untilMs: fromMs + durationMs, silent }
      print(
        `From ${dateText(fromMs)} to ${dateText(cut.untilMs)} no click comes` +
          `${silent ? ', nor any other sign of time' : ''}: alert timers wait, the page says why.`,
      )
      return cut
    },
    async stop() {
      stopping.abort()
      await work
      await receiver.stop()
    },
  }
}

/** Listens, and sees to it that the tables have exactly one endpoint of the demo: this one. */
async function openReceiver({
  system,
  calls,
  print,
  receiverPort,
}: DemoOptions): Promise<Receiver> {
  let secrets: readonly string[] = []
  const receiver = await startReceiver({
    port: receiverPort,
    secrets: () => secrets,
    onMessage: ({ body }) => print(newsOf(body)),
    onRefused: reason => print(`The receiver refused a message: ${reason}`),
  })
  try {
    secrets = await register(system, calls, new URL(receiverPath, receiver.url).href)
    return receiver
  } catch (error) {
    await receiver.stop()
    throw error
  }
}

/** The secrets of the demo's endpoint at this URL; one at another URL, from an earlier start, goes. */
async function register(
  system: System,
  calls: DemoOptions['calls'],
  url: string,
): Promise<readonly string[]> {
  const own = async () =>
    (await signingEndpoints(system.store, system.key)).filter(
      endpoint => new URL(endpoint.url).pathname === receiverPath,
    )
  for (const endpoint of await own())
    if (endpoint.url !== url) await calls.removeEndpoint({ id: endpoint.id })
  if ((await own()).length === 0) await calls.addEndpoint({ url })
  return (await own()).map(({ secret }) => secret)
}

function dateText(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')
}
