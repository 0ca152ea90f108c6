const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `30m` in milliseconds. An integer with ms, s, m, h or d, or `0`; undefined for all else. */
export function parseDuration(text: unknown): number | undefined {
  if (text === 0 || text === '0') return 0
  if (typeof text !== 'string') return undefined
  const match = /^(\d{1,15})(ms|s|m|h|d)$/.exec(text)
  if (!match) return undefined
  const durationMs = Number(match[1]) * unitMs[match[2]!]!
  return Number.isSafeInteger(durationMs) ? durationMs : undefined
}

/** The shortest exact way to write it: 90000 is `90s`, 86400000 is `1d`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0'
  for (const unit of ['d', 'h', 'm', 's'])
    if (durationMs % unitMs[unit]! === 0) return `${durationMs / unitMs[unit]!}${unit}`
  return `${durationMs}ms`
}
