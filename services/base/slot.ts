export const slotCount = 4096

/** Kafka's murmur2 of the key's UTF-8 bytes, made non-negative as Kafka's default partitioner does. */
export function murmur2(key: string): number {
  const bytes = Buffer.from(key, 'utf8')
  const length = bytes.length
  let h = 0x9747b28c ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let k = Math.imul(bytes.readInt32LE(at), 0x5bd1e995)
    k ^= k >>> 24
    h = Math.imul(h, 0x5bd1e995) ^ Math.imul(k, 0x5bd1e995)
  }
  const rest = length - at
  if (rest === 3) h ^= bytes[at + 2]! << 16
  if (rest >= 2) h ^= bytes[at + 1]! << 8
  if (rest >= 1) h = Math.imul(h ^ bytes[at]!, 0x5bd1e995)
  h = Math.imul(h ^ (h >>> 13), 0x5bd1e995)
  return (h ^ (h >>> 15)) & 0x7fffffff
}

/** The user's place on the ring of 4096 slots: partition p of N owns the slots with slot % N === p. */
export function slotOf(userId: string): number {
  return murmur2(userId) % slotCount
}

/** `partitions` is a power of two up to 4096, so this is also where Kafka's own partitioner puts the key. */
export function partitionOf(userId: string, partitions: number): number {
  return slotOf(userId) % partitions
}
