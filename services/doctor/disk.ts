/** Room on a disk. */
import { statfs } from 'node:fs/promises'
import { type Check, ok, sizeText, warn, wrong } from './check.ts'

const warnShare = 0.15
const wrongShare = 0.05
const wrongBytes = 2 ** 30

export function diskCheck(name: string, freeBytes: number, totalBytes: number): Check {
  const area = 'disk'
  const says = `${name} has ${sizeText(freeBytes)} of ${sizeText(totalBytes)} free`
  if (freeBytes < wrongBytes || freeBytes < wrongShare * totalBytes)
    return wrong(area, `${says}: make room now; when it is full nothing more is taken.`)
  if (freeBytes < warnShare * totalBytes) return warn(area, `${says}: make room soon.`)
  return ok(area, `${says}.`)
}

export async function examineDirectory(directory: string): Promise<Check[]> {
  const { bavail, bsize, blocks } = await statfs(directory)
  return [diskCheck(`The disk of ${directory}`, bavail * bsize, blocks * bsize)]
}
