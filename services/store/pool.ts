/**
 * The connections that serve people: a few, apart from the store's own, so that nobody's query holds up
 * ingest. A connection keeps its settings, so one is taken only by who asks for the very same settings.
 */

import { nextTurn } from '../base/time.ts'
import type { EngineConnection, EngineSettings } from './connection.ts'
import type { EmbeddedStore } from './embedded.ts'
import { exception } from './failure.ts'

/** Each running query holds a thread of Node's pool, and ingest, the log and the files need theirs. */
const runningMax = Math.max(1, Math.floor(Number(process.env.UV_THREADPOOL_SIZE ?? 4) / 4))
/** Past it a query is refused at once. */
const waitingMax = 64
/** Connections kept open while nobody uses them; past it the one unused for longest is closed. */
const idleMax = 8

interface Held {
  readonly connection: EngineConnection
  readonly key: string
  /** The value of `log_comment` of every query on it: what KILL QUERY goes by. */
  readonly mark: string
}

interface Want {
  readonly database: string
  readonly settings: EngineSettings
}

export interface Pool {
  /**
   * Runs `task` on a connection of its own. When `gone` says so, the query is killed, and the connection
   * is used again only after that.
   */
  use<Result>(
    want: Want,
    gone: AbortSignal,
    task: (connection: EngineConnection) => Promise<Result>,
  ): Promise<Result>
  /** To be called when the last use is over. */
  close(): Promise<void>
}

/** Pools of this process. Several may serve one engine, and none may kill a query of another. */
let pools = 0

export function openPool(store: EmbeddedStore, control: EngineConnection): Pool {
  const pool = ++pools
  const idle: Held[] = []
  const waiting: (() => void)[] = []
  let running = 0
  let opened = 0
  let closed = false

  async function turn(): Promise<void> {
    if (waiting.length >= waitingMax)
      throw exception(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', `${waitingMax} queries wait already.`)
    if (running >= runningMax) await new Promise<void>(resolve => waiting.push(resolve))
    else running++
  }

  /** Hands the turn on, so `running` stays as it is, or gives it back. */
  function endTurn(): void {
    const next = waiting.shift()
    if (next) next()
    else running--
  }

  async function take(database: string, settings: EngineSettings): Promise<Held> {
    const key = JSON.stringify([database, settings])
    const index = idle.findIndex(held => held.key === key)
    if (index >= 0) return idle.splice(index, 1)[0]!
    const mark = `ebb-http-${pool}-${++opened}`
    const connection = await store.connect({ log_comment: mark, ...settings }, database)
    return { connection, key, mark }
  }

  async function giveBack(held: Held): Promise<void> {
    idle.push(held)
    const surplus = closed ? idle.splice(0) : idle.splice(0, Math.max(0, idle.length - idleMax))
    await Promise.all(surplus.map(({ connection }) => connection.close()))
  }

  return {
    async use({ database, settings }, gone, task) {
      await turn()
      try {
        gone.throwIfAborted()
        const held = await take(database, settings)
        try {
          gone.throwIfAborted()
          const work = task(held.connection)
          return await killable(work, gone, isSettled => kill(control, held.mark, isSettled))
        } finally {
          await giveBack(held)
        }
      } finally {
        endTurn()
      }
    },
    async close() {
      closed = true
      await Promise.all(idle.splice(0).map(({ connection }) => connection.close()))
    },
  }
}

/** Settles as `work` does, and not before the `kill` that `gone` calls for is over. */
async function killable<Result>(
  work: Promise<Result>,
  gone: AbortSignal,
  kill: (isSettled: () => boolean) => Promise<void>,
): Promise<Result> {
  let settled = false
  let killed: Promise<void> | undefined
  const onGone = () => {
    killed = kill(() => settled)
  }
  gone.addEventListener('abort', onGone)
  try {
    return await work
  } finally {
    settled = true
    gone.removeEventListener('abort', onGone)
    await killed
  }
}

/** A query that is just being handed over is not in the list yet, so this asks until it was there. */
async function kill(
  control: EngineConnection,
  mark: string,
  isSettled: () => boolean,
): Promise<void> {
  const sql = `KILL QUERY WHERE Settings['log_comment'] = '${mark}' ASYNC`
  while (!isSettled()) {
    const found = await control.query(sql)
    if (found.length > 0) return
    await nextTurn()
  }
}
