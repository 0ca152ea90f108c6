/**
 * The live page, read once for all who watch. States: idle (nobody watches, nothing is read) and beating
 * (from the first viewer on). In a beat the sections that are due are read one after another, so the page
 * never holds more than one place in the store's queue; then each viewer gets what has changed.
 *
 *   a section fails   -> it keeps its last value, `trouble` says so, it is read again at its next beat
 *   a beat is long    -> `trouble` says so already, and it goes on
 *   nobody watches    -> the running read ends, then idle
 *   close()           -> every viewer's stream completes; resolves when nothing is being read any more
 */

import { firstValueFrom, map, Observable, ReplaySubject, type Subscriber, share } from 'rxjs'
import { EbbError } from '../base/errors.ts'
import { pause } from '../base/time.ts'
import type { Store } from '../store/store.ts'
import { openMeter } from './meter.ts'
import { type Position, readPosition, type Section, type Snapshot, sections } from './snapshot.ts'

/** What the page must say about its own figures; null while all is well. */
export type Trouble = 'storeSilent' | null
export type Whole = Snapshot & { readonly trouble: Trouble }
export type Update = Partial<Whole>

export interface Live {
  /** First all that is known, the whole page unless something cannot be read; then what changed. */
  readonly updates: Observable<Update>
  now(): Promise<Whole>
  close(): Promise<void>
}

interface Frame {
  /** Every section that could be read so far. */
  readonly latest: Update
  readonly changed: Update
}

export interface LiveOptions {
  readonly store: Store
  readonly wallClock: () => number
  /** Told of what could not be read. */
  readonly failed: (error: unknown) => void
}

const beatMs = 1_000
/** A store that says nothing may do so for a minute and more: viewers hear of it before. */
const silentMsMax = 20_000
/** A section that took t is left alone for 9 t: the page takes at most a tenth of the reader's time. */
const restFactor = 9

export function openLive(options: LiveOptions): Live {
  const closing = new AbortController()
  const reader = openReader(options)
  let running = Promise.resolve()

  const frames = new Observable<Frame>(subscriber => {
    const leaving = new AbortController()
    const stop = AbortSignal.any([leaving.signal, closing.signal])
    // The loop of viewers who left may still be reading: one loop at a time.
    running = running.then(() => beats(reader, subscriber, stop))
    return () => leaving.abort()
  }).pipe(share({ connector: () => new ReplaySubject<Frame>(1) }))

  return {
    updates: frames.pipe(map(({ latest, changed }, index) => (index === 0 ? latest : changed))),
    async now() {
      const { latest } = await firstValueFrom(frames, { defaultValue: nothing })
      if (isWhole(latest)) return latest
      throw new EbbError('storeRefused', 'The store does not answer at the moment.')
    },
    close() {
      closing.abort()
      return running
    },
  }
}

const nothing: Frame = { latest: {}, changed: {} }

async function beats(reader: Reader, subscriber: Subscriber<Frame>, stop: AbortSignal) {
  for (let first = true; !stop.aborted; first = false) {
    const ended = new AbortController()
    const reading = reader.read(stop).finally(() => ended.abort())
    await pause(silentMsMax, AbortSignal.any([ended.signal, stop]))
    if (!ended.signal.aborted && !stop.aborted) subscriber.next(reader.silent())
    const frame = await reading
    if (first || Object.keys(frame.changed).length > 0) subscriber.next(frame)
    await pause(beatMs, stop)
  }
  subscriber.complete()
}

interface Reader {
  /** Reads what is due. */
  read(stop: AbortSignal): Promise<Frame>
  /** The figures as they were, and that no newer ones come. */
  silent(): Frame
}

function openReader({ store, wallClock, failed }: LiveOptions): Reader {
  const meter = openMeter()
  const dueMs = new Map<string, number>()
  let latest: Update = {}

  async function readSection(section: Section, at: Position): Promise<Update> {
    const startMs = wallClock()
    try {
      const value = await section.read(store, at, meter)
      const same = JSON.stringify(value) === JSON.stringify(latest[section.name])
      return same ? {} : { [section.name]: value }
    } finally {
      const tookMs = wallClock() - startMs
      dueMs.set(section.name, startMs + Math.max(section.beatMs, tookMs * (1 + restFactor)))
    }
  }

  async function readAll(stop: AbortSignal): Promise<Update> {
    let changed: Update = {}
    let trouble: Trouble = null
    const attempt = async <Result>(read: () => Promise<Result>) => {
      try {
        return await read()
      } catch (error) {
        failed(error)
        trouble = 'storeSilent'
      }
    }
    const at = await attempt(() => readPosition(store, wallClock()))
    for (const section of at ? sections : []) {
      if (stop.aborted) break
      // Half a beat of grace, lest what is due in a moment waits for a whole one.
      if (wallClock() + beatMs / 2 < (dueMs.get(section.name) ?? 0)) continue
      changed = { ...changed, ...(await attempt(() => readSection(section, at!))) }
    }
    return latest.trouble === trouble ? changed : { ...changed, trouble }
  }

  function frame(changed: Update): Frame {
    latest = { ...latest, ...changed }
    return { latest, changed }
  }
  return {
    read: async stop => frame(await readAll(stop)),
    silent: () => frame({ trouble: 'storeSilent' }),
  }
}

function isWhole(update: Update): update is Whole {
  return sections.every(section => section.name in update)
}
