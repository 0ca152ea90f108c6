/** Chance that is none: the same parts give the same numbers, on every machine and in every order of asking. */
import { murmur2 } from '../base/slot.ts'

/** Numbers in [0, 1), a sequence of their own for these parts (mulberry32, seeded by murmur2). */
export function chanceOf(...parts: readonly (string | number)[]): () => number {
  let state = murmur2(parts.join('\n'))
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function between(chance: () => number, low: number, high: number): number {
  return low + chance() * (high - low)
}

/** A whole number from `low` to `high`, both included. */
export function wholeBetween(chance: () => number, low: number, high: number): number {
  return low + Math.floor(chance() * (high - low + 1))
}

export function pick<Item>(chance: () => number, items: readonly Item[]): Item {
  return items[Math.floor(chance() * items.length)]!
}
