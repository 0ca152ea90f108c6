/** What the members of a group tell one another, in the fields that Kafka leaves to them. */
import { memberAssignment, memberMetadata } from './library.ts'
import type { Claim } from './shares.ts'

export const protocolName = 'ebb'
const version = 0

export function encodeClaim(topic: string, { generation, held }: Claim): Buffer {
  const userData = Buffer.from(JSON.stringify({ generation, held }))
  return memberMetadata.encode({ version, topics: [topic], userData })
}

/** What is no claim of Ebb's holds nothing. */
export function readClaim(memberId: string, metadata: Buffer): Claim {
  try {
    const userData = memberMetadata.decode(metadata)?.userData
    const { generation, held } = JSON.parse(String(userData)) as Omit<Claim, 'memberId'>
    return { memberId, generation: Number(generation), held: held.map(Number) }
  } catch {
    return { memberId, generation: -1, held: [] }
  }
}

/** `partitions`: how many the topic has, as the leader of the group sees it. */
export function encodeShares(
  topic: string,
  shares: ReadonlyMap<string, number[]>,
  partitions: number,
): { readonly memberId: string; readonly memberAssignment: Buffer }[] {
  const userData = Buffer.from(String(partitions))
  return [...shares].map(([memberId, share]) => {
    const assignment = { [topic]: share }
    return {
      memberId,
      memberAssignment: memberAssignment.encode({ version, assignment, userData }),
    }
  })
}

/** `partitions` is null when the leader had nothing to say. */
export function readShare(
  topic: string,
  bytes: Buffer,
): { readonly share: readonly number[]; readonly partitions: number | null } {
  const decoded = memberAssignment.decode(bytes)
  if (!decoded) return { share: [], partitions: null }
  return {
    share: decoded.assignment[topic] ?? [],
    partitions: Number(String(decoded.userData)),
  }
}
