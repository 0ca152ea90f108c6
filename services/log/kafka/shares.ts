/**
 * Who of a group owns which partition. Pure: the member that leads the group computes it from what all members
 * say they hold.
 *
 * Nobody gets a partition that another still holds: that one goes without it first, gives it back in its own time
 * (flushed), and joins again. So a partition has one owner at a time, and those that stay are not interrupted.
 */

export interface Claim {
  readonly memberId: string
  /** Of the group, when the member got what it holds. Of two who say they hold one, the younger is right. */
  readonly generation: number
  readonly held: readonly number[]
}

/** By member id: what it keeps, and what is free. Shares differ by one at most, as few partitions as possible move. */
export function shareOut(claims: readonly Claim[], partitions: number): Map<string, number[]> {
  const holders = holdersOf(claims, partitions)
  const shares = new Map<string, number[]>(claims.map(({ memberId }) => [memberId, []]))
  for (const [partition, memberId] of holders) shares.get(memberId)!.push(partition)
  // Those who hold most keep most: of unequal shares the larger ones go to them.
  const members = [...shares.keys()].sort(
    (one, other) => shares.get(other)!.length - shares.get(one)!.length || (one < other ? -1 : 1),
  )
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter(
    partition => !holders.has(partition),
  )
  members.forEach((memberId, index) => {
    const size = Math.floor((partitions + members.length - 1 - index) / members.length)
    const kept = shares.get(memberId)!.slice(0, size)
    shares.set(memberId, [...kept, ...free.splice(0, size - kept.length)])
  })
  return shares
}

function holdersOf(claims: readonly Claim[], partitions: number): Map<number, string> {
  const byAge = [...claims].sort(
    (one, other) => one.generation - other.generation || (one.memberId < other.memberId ? 1 : -1),
  )
  const holders = new Map<number, string>()
  for (const { memberId, held } of byAge)
    for (const partition of [...held].sort((one, other) => one - other))
      if (partition >= 0 && partition < partitions) holders.set(partition, memberId)
  return holders
}
