/** What the doctor says: one line for each thing that was looked at. */

export interface Check {
  /** `warn` is well for now; `wrong` harms, or will. */
  readonly level: 'ok' | 'warn' | 'wrong'
  /** It could not even be looked at. */
  readonly blind?: true
  /** What was looked at, in a word or two. */
  readonly area: string
  /** What is so, and where it is not well, what to do. */
  readonly says: string
}

export function ok(area: string, says: string): Check {
  return { level: 'ok', area, says }
}

export function warn(area: string, says: string): Check {
  return { level: 'warn', area, says }
}

export function wrong(area: string, says: string): Check {
  return { level: 'wrong', area, says }
}

/** The faults, or that there are none. */
export function orOk(faults: readonly Check[], area: string, says: string): readonly Check[] {
  return faults.length > 0 ? faults : [ok(area, says)]
}

/** What does not answer, and what to do about it: sentences of who knows the addresses. */
export function blind(area: string, says: string): Check {
  return { ...wrong(area, says), blind: true }
}

/** One look that fails hides no other, and says why it failed; `next` is what to do: a sentence. */
export async function look(
  area: string,
  checks: () => Promise<readonly Check[]>,
  next = 'Mend that first, and look again.',
): Promise<readonly Check[]> {
  try {
    return await checks()
  } catch (error) {
    return [blind(area, `${(error as Error).message.replace(/\.$/, '')}. ${next}`)]
  }
}

/** `1 broker`, `3 brokers`. */
export function countText(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`
}

export function showChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ area }) => area.length))
  return checks
    .map(({ level, area, says }) => `${level.padEnd(5)}  ${area.padEnd(width)}  ${says}`)
    .join('\n')
}

/** 0: nothing is wrong; 1: something is; 2: nothing could be looked at. */
export function statusOf(checks: readonly Check[]): number {
  if (checks.every(({ blind }) => blind)) return 2
  return checks.some(({ level }) => level === 'wrong') ? 1 : 0
}

export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800
    ? `${Math.round(seconds / 3_600)} h`
    : `${Math.round(seconds / 86_400)} d`
}

export function sizeText(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`
}

/** Partitions by their numbers, as in a sentence. */
export function partitionsText(numbers: readonly number[]): string {
  const few = numbers.slice(0, 8).join(', ')
  const more = numbers.length > 8 ? ` and ${numbers.length - 8} more` : ''
  return `${numbers.length === 1 ? 'partition' : 'partitions'} ${few}${more}`
}
