/** Chance from a seed: each stream has a name, so that what one part draws changes nothing for another. */
import { hash } from 'node:crypto'

export interface Chance {
  /** In [0, 1). */
  share(): number
  /** In [low, high). */
  between(low: number, high: number): number
  /** A whole number in [low, high]. */
  whole(low: number, high: number): number
  often(probability: number): boolean
  pick<Item>(items: readonly Item[]): Item
}

export function chanceOf(seed: number, name: string): Chance {
  let state = Buffer.from(hash('sha256', `${seed}\n${name}`), 'hex').readUInt32LE(0)

  /** Mulberry32: 32 bits of state are enough for one schedule. */
  function share(): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  const between = (low: number, high: number) => low + share() * (high - low)
  const whole = (low: number, high: number) => Math.floor(between(low, high + 1))
  return {
    share,
    between,
    whole,
    often: probability => share() < probability,
    pick: items => items[whole(0, items.length - 1)]!,
  }
}
