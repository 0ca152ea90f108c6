/**
 * A project on servers, as commands see it. What it is told goes by the log and the tables alone: whichever
 * processors and webhooks run take it up from there, and what they have taken up is read back from the tables.
 */
import { hostname } from 'node:os'
import { EbbError } from '../base/errors.ts'
import { createSpokenLogger } from '../base/logger.ts'
import { pause, steadyClock, wallClock } from '../base/time.ts'
import { type Claim, takeClaim, underClaim } from '../rebuild/claim.ts'
import { untilDrained } from '../rebuild/drain.ts'
import { acceptLosses } from '../rebuild/losses.ts'
import type { Present } from '../rebuild/present.ts'
import { shadowNameOf, tablesOf } from '../rebuild/shadow.ts'
import { openServerStore } from '../store/server.ts'
import { endpointsAgeMsMax } from '../webhooks/book.ts'
import { readSecretKey, secretKeyPath } from '../webhooks/secrets.ts'
import type { Project } from './calls.ts'
import { growServers } from './growth.ts'
import { keepFirstSettings, startBroadcaster } from './project.ts'
import type { RebuildPlace } from './rebuild.ts'
import {
  openServers,
  placesOf,
  requireProject,
  type ServerOptions,
  type Servers,
} from './servers.ts'
import { readNextOffsets, readRevisions } from './standing.ts'
import { liveSettings, retentionMsDefault } from './system.ts'

export interface ServerProjectOptions extends ServerOptions {
  /** Whether the command may begin a project where there is none. */
  readonly makes: boolean
  /** As in connect.ts. */
  readonly acceptsLoss?: boolean
  /** Where the webhooks service keeps secret.key. */
  readonly keyDirectory: string
  /** For files that an import needs on its way. */
  readonly directory: string
  /** Told what a command waits for. */
  readonly tell: (sentence: string) => void
}

const pollIntervalMs = 100
/** A processor that is well has flushed by then, also a busy one; longer, a person should know what is waited for. */
const patienceMs = 10_000
/** Longer than another processor takes to notice that one died, and to go on. */
const standstillMsMax = 30_000

export async function openServerProject(
  options: ServerProjectOptions,
): Promise<{ readonly project: Project; close(): Promise<void> }> {
  const logger = createSpokenLogger(options.tell)
  if (!options.makes) await requireProject(options, logger)
  const servers = await openServers(options, logger)
  const { log, store, project, clicks } = servers
  const { epoch, topic: clicksTopic, partitions } = clicks
  const closing = new AbortController()
  try {
    await keepFirstSettings(store, liveSettings)
    if (options.acceptsLoss)
      await acceptLosses({ log, store, project, newest: clicks }, wallClock, options.tell)
  } catch (error) {
    await servers.close()
    throw error
  }
  /** As long as this command runs: a rebuild is several calls. */
  let claim: Promise<Claim> | undefined
  const claimed = (name: string) => {
    const command = `ebb ${name} on ${hostname()}, process ${process.pid},`
    claim ??= takeClaim({ store, command, tell: options.tell, stopping: closing.signal })
    return claim
  }
  const caughtUp = () => catchUp(servers, options.tell, closing.signal)
  return {
    project: {
      ...{ project, partitions, epoch, log, store, clicksTopic, clock: wallClock },
      alertsTopic: servers.alertsTopic,
      delivers: true,
      replay: false,
      directory: options.directory,
      openKey: () => openPresentKey(options.keyDirectory),
      caughtUp,
      async rulesChanged() {
        await spread(servers)
        // It is on every log, and counts from there, whether or not somebody reads it now.
        await caughtUp().catch(error => {
          if (!isAway(error)) throw error
          options.tell(`${error.message} ${error.next}`)
        })
      },
      async grow(wanted) {
        const claim = await claimed('grow')
        await growServers(servers, wanted, claim, options.tell, closing.signal)
      },
      async openRebuildPlace() {
        const claim = await claimed('rebuild')
        const place = await openRebuildPlace(servers, options, closing.signal)
        return { ...place, site: underClaim(place.site, claim) }
      },
      endpointsChanged: () => pause(2 * endpointsAgeMsMax, closing.signal),
    },
    async close() {
      closing.abort()
      // Where it cannot be told, others wait for a while.
      await claim?.then(({ end }) => end()).catch(() => undefined)
      await servers.close()
    },
  }
}

async function openRebuildPlace(
  { log, store, project, clicks, alertsTopic, alertsPartitions }: Servers,
  {
    clickhouse: url,
    clickhouseUser: user,
    clickhousePassword: password,
    tell,
  }: ServerProjectOptions,
  stopping: AbortSignal,
): Promise<RebuildPlace> {
  const { database, clicksTopic: firstTopic } = placesOf(project)
  const shadow = await openServerStore({ url, user, password, database: shadowNameOf(database) })
  const site = {
    ...{ log, project, firstTopic, alertsTopic, alertsPartitions, tell, stopping },
    tables: tablesOf(store, shadow, database),
    topic: { retentionMs: retentionMsDefault, retentionBytes: Number.POSITIVE_INFINITY },
    drain: (epoch: Present) => untilDrained(store, epoch, stopping),
  }
  return { site, present: clicks, close: () => shadow.close() }
}

function isAway(error: unknown): error is EbbError {
  return error instanceof EbbError && error.code === 'processorAway'
}

/** Appends every revision that some partition's progress does not show; a processor repeats what is lost. */
async function spread({ log, store, clicks }: Servers): Promise<void> {
  const broadcaster = startBroadcaster({
    ...{ log, store, topic: clicks.topic, partitions: clicks.partitions, steadyClock },
    revisions: () => readRevisions(store, clicks.topic, clicks.partitions),
    troubled() {},
  })
  await broadcaster.spread().finally(broadcaster.stop)
}

/**
 * Only a key that is there: one made here would be another than that of the webhooks service, which could
 * then open no secret.
 */
async function openPresentKey(keyDirectory: string) {
  const path = secretKeyPath(keyDirectory)
  const key = await readSecretKey(path)
  if (key) return key
  throw new EbbError(
    'secretKeyMissing',
    `There is no key file ${path}: give the directory of the webhooks service by --keys; it makes the key at its first start.`,
  )
}

/** Waits for whichever processors run; throws `processorAway` when none goes on. */
async function catchUp(
  servers: Servers,
  tell: (sentence: string) => void,
  closing: AbortSignal,
): Promise<void> {
  const { log, store } = servers
  const { topic: clicksTopic, partitions } = servers.clicks
  const ends = await Promise.all(
    Array.from({ length: partitions }, (_, partition) => log.bounds(clicksTopic, partition)),
  )
  let told = false
  let missingBefore = Number.POSITIVE_INFINITY
  const beganAtMs = steadyClock()
  for (let movedAtMs = beganAtMs; !closing.aborted; await pause(pollIntervalMs, closing)) {
    const folded = await readNextOffsets(store, clicksTopic)
    const behind = ends.map(({ startOffset, endOffset }, partition) =>
      Math.max(0, endOffset - (folded.get(partition) ?? startOffset)),
    )
    const missing = behind.reduce((sum, records) => sum + records, 0)
    if (missing === 0) return
    const nowMs = steadyClock()
    if (missing !== missingBefore) movedAtMs = nowMs
    missingBefore = missing
    const waiting = behind.filter(records => records > 0).length
    const sentence = `${missing} records of ${waiting} partitions are not folded yet`
    if (nowMs - movedAtMs > standstillMsMax)
      throw new EbbError('processorAway', `${sentence}, and no processor goes on with them.`)
    if (told || nowMs - beganAtMs < patienceMs) continue
    told = true
    tell(`Waiting for a processor: ${sentence}.`)
  }
}
