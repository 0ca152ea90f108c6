/**
 * I7, bounded: the most memory and open files that a process had, as the system tells them (Linux), and their caps.
 */
import { readdirSync, readFileSync } from 'node:fs'

export const memoryBytesMax = 2 * 2 ** 30
export const openFilesMax = 1_000

/** 0: of no process of its kind the system has told it. */
export interface Peak {
  readonly memoryBytes: number
  /** Sockets and pipes among them. */
  readonly openFiles: number
}

export const noPeak: Peak = { memoryBytes: 0, openFiles: 0 }

export function higherOf(one: Peak, other: Peak): Peak {
  return {
    memoryBytes: Math.max(one.memoryBytes, other.memoryBytes),
    openFiles: Math.max(one.openFiles, other.openFiles),
  }
}

/** The highest memory so far, and the files that are open now. Of a process that is gone: none. */
export function peakOf(pid: number): Peak {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    const openFiles = readdirSync(`/proc/${pid}/fd`).length
    return { memoryBytes: Number(kib ?? 0) * 1024, openFiles }
  } catch {
    return noPeak
  }
}

/** By kind of service. What was not measured is not within its cap. */
export function checkBounds(peaks: Readonly<Record<string, Peak>>): string[] {
  return Object.entries(peaks).flatMap(([kind, { memoryBytes, openFiles }]) => [
    ...boundFaults(kind, memoryBytes / 2 ** 20, memoryBytesMax / 2 ** 20, 'MiB of memory'),
    ...boundFaults(kind, openFiles, openFilesMax, 'open files'),
  ])
}

function boundFaults(kind: string, peak: number, cap: number, what: string): string[] {
  if (peak === 0)
    return [`${kind}: its ${what} were not measured, for the system does not tell them`]
  return peak > cap ? [`a ${kind} had ${Math.ceil(peak)} ${what}; ${cap} are the cap`] : []
}
