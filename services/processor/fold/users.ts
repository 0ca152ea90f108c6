/**
 * The users of a partition. Whom a restore brings stays packed, as the bytes of his row, until a record or a timer
 * touches him; from then on he is an object. An object takes several times the memory, and the making of objects is
 * what a restore would wait for.
 */
import { createPackedRows } from './packed-rows.ts'
import type { User } from './state.ts'

/** What an entry of a heap stands for: a user, or the number of the row that he was packed in. */
export type HeapUser = User | number

export interface Users {
  readonly size: number
  get(id: string): User | undefined
  set(id: string, user: User): void
  delete(id: string): void
  /** All of them, none packed any more. */
  values(): Iterable<User>
  /**
   * All of them, one at a time: who was packed is so again behind his turn, unless he was touched or armed
   * meanwhile. He must not be held beyond his turn otherwise.
   */
  inTurn(): Iterable<User>
  /** Packs the row at `at` (see packed-rows.ts); what stands for it in heaps. `find` comes before the first `get`. */
  pack(chunk: Buffer, at: number): number
  /** The packed user's live entry in the heap of timers has this key. */
  setTimerKey(row: number, keyMs: number): void
  /** To be called when all are packed. */
  index(): void
  /** Whom an entry of a heap stands for; undefined when he is not there any more. */
  ofEntry(entry: HeapUser): User | undefined
}

export function createUsers(): Users {
  const objects = new Map<string, User>()
  const packed = createPackedRows()

  const unpack = (row: number): User => {
    const user = packed.read(row)
    packed.takeOut(row)
    objects.set(user.id, user)
    return user
  }
  const get = (id: string): User | undefined => {
    const user = objects.get(id)
    if (user || packed.count === 0) return user
    const row = packed.find(id)
    return row < 0 ? undefined : unpack(row)
  }

  return {
    get size() {
      return objects.size + packed.count
    },
    get,
    set(id, user) {
      objects.set(id, user)
    },
    delete(id) {
      const row = packed.find(id)
      if (row >= 0) packed.takeOut(row)
      objects.delete(id)
    },
    values() {
      for (const row of packed.rows()) unpack(row)
      return objects.values()
    },
    *inTurn() {
      yield* objects.values()
      if (packed.count === 0) return
      for (const row of packed.rows()) {
        const keyMs = packed.timerKeyMs(row)
        const user = packed.read(row)
        yield user
        if (!user.dirty && user.timerKeyMs === keyMs) continue
        packed.takeOut(row)
        objects.set(user.id, user)
      }
    },
    pack: (chunk, at) => packed.add(chunk, at),
    setTimerKey: packed.setTimerKey,
    index: packed.index,
    ofEntry(entry) {
      if (typeof entry !== 'number') return entry
      // Who was unpacked since is known by his id, as is who came again after an erasure: keys tell live entries.
      return Number.isNaN(packed.timerKeyMs(entry))
        ? objects.get(packed.idOf(entry))
        : unpack(entry)
    },
  }
}
