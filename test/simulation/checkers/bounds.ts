/** I7, bounded, as far as a small run shows it: webhooks have no more requests under way than they say. */
import type { Evidence } from '../evidence.ts'
import { webhookSettings } from '../services.ts'

export function checkBounds({ posts }: Evidence): string[] {
  const { totalMax, endpointMax } = webhookSettings
  return posts.flatMap(({ by, endpoint, fromMs }) => {
    const beside = posts.filter(
      other => other.by === by && other.fromMs <= fromMs && other.untilMs > fromMs,
    )
    const there = beside.filter(other => other.endpoint === endpoint)
    if (beside.length <= totalMax && there.length <= endpointMax) return []
    const counts = `${beside.length} requests under way, ${there.length} of them to ${endpoint}`
    return [`I7: ${by} had ${counts} at ${Math.floor(fromMs)} ms`]
  })
}
