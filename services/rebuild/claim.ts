/**
 * One command at a time grows or rebuilds a project on servers. A command gives signs of life, as rows of `claims` at
 * the clock of ClickHouse:
 *
 *   waiting  it has given its first sign, and then seen another command that has not ended
 *   held     there was no other after its first sign
 *   lost     it gave no sign for 20 s, as when its machine slept: for good, since signs are given by who gave one shortly before
 *   ended    it said so
 *
 * Others take one for dead after 40 s: by then what it began before it lost the claim has ended too. Of two that begin
 * in the same moment each sees the other, and none goes on.
 */
import { EbbError } from '../base/errors.ts'
import { randomId } from '../base/ids.ts'
import { every, pause } from '../base/time.ts'
import type { Params, Store } from '../store/store.ts'
import type { Site } from './rebuild.ts'

const signIntervalMs = 2_000
const lostAfterSeconds = 20
const deadAfterSeconds = 40
const lookIntervalMs = 500

export interface Claim {
  /** Throws `claimLost` where another command may have gone on. Before each thing that changes something. */
  hold(): Promise<void>
  /** For what must not happen behind the loss, however late it comes to ClickHouse: a part of its own statement. */
  readonly held: Condition
  end(): Promise<void>
}

/** For a WHERE. */
export interface Condition {
  readonly sql: string
  readonly params: Params
}

export interface ClaimOptions {
  readonly store: Store
  /** Which command, and where: for a person. */
  readonly command: string
  readonly tell: (sentence: string) => void
  readonly stopping: AbortSignal
}

/** Waits for one that may be dead; throws a sentence where another is alive. */
export async function takeClaim(options: ClaimOptions): Promise<Claim> {
  const { store, command } = options
  const claim = randomId()
  const params = { claim, command, lost: lostAfterSeconds }
  const write = (ended: boolean, condition = '') =>
    store.command(
      `INSERT INTO claims SELECT {claim:UUID}, {command:String}, now64(3, 'UTC'), ${ended} ${condition}`,
      params,
    )
  await write(false)
  const stopSigns = every(signIntervalMs, () => {
    // One that fails is followed by the next, or the claim is lost.
    write(false, `WHERE (${isHeld})`).catch(() => undefined)
  })
  const end = () => {
    stopSigns()
    return write(true)
  }
  try {
    await untilAlone(options, claim)
  } catch (error) {
    await end()
    throw error
  }
  return {
    held: { sql: `(${isHeld})`, params: { claim, lost: lostAfterSeconds } },
    async hold() {
      const [row] = await store.query<{ held: number }>(`SELECT (${isHeld}) AS held`, params)
      if (Number(row!.held) === 0)
        throw new EbbError(
          'claimLost',
          `This command gave no sign of life for ${lostAfterSeconds} s, so another may have gone on with the project since.`,
        )
    },
    end,
  }
}

const isHeld = `SELECT count() > 0 FROM claims
  WHERE claim = {claim:UUID} AND seen_at > now64(3, 'UTC') - toIntervalSecond({lost:UInt32})`

async function untilAlone({ store, tell, stopping }: ClaimOptions, claim: string): Promise<void> {
  /** By the claim of another: its last sign when it was seen first. */
  const seen = new Map<string, string>()
  for (;;) {
    const others = await readOthers(store, claim)
    if (others.length === 0) return
    for (const { other, command, sign } of others) {
      const before = seen.get(other)
      if (before !== undefined && before !== sign)
        throw new EbbError(
          'badInput',
          `${command} is at work on the project: wait for its end, then give the command again where it is still needed.`,
        )
      if (before !== undefined) continue
      seen.set(other, sign)
      tell(
        `${command} was at work on the project a moment ago: it goes on here when that has given no sign for ${deadAfterSeconds} s.`,
      )
    }
    await pause(lookIntervalMs, stopping)
    stopping.throwIfAborted()
  }
}

function readOthers(
  store: Store,
  claim: string,
): Promise<{ other: string; command: string; sign: string }[]> {
  return store.query(
    `SELECT toString(claim) AS other, any(c.command) AS command, toString(max(c.seen_at)) AS sign
     FROM claims AS c WHERE c.claim != {claim:UUID} GROUP BY c.claim
     HAVING NOT max(c.ended) AND max(c.seen_at) > now64(3, 'UTC') - toIntervalSecond({dead:UInt32})`,
    { claim, dead: deadAfterSeconds },
  )
}

/** The site, changing nothing for a command that has lost its claim. */
export function underClaim(site: Site, { hold }: Claim): Site {
  const { log, tables } = site
  const held = async <Result>(work: () => Promise<Result>) => {
    await hold()
    return work()
  }
  const guarded = (store: Store): Store => ({
    ...store,
    insert: (table, rows) => held(() => store.insert(table, rows)),
    command: (sql, params) => held(() => store.command(sql, params)),
  })
  return {
    ...site,
    log: { ...log, append: (...args) => held(() => log.append(...args)) },
    tables: { ...tables, store: guarded(tables.store), shadow: guarded(tables.shadow) },
  }
}
