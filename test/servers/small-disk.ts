/** A small disk in memory, to be filled. Mounting one needs root. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly directory: string
  /** Takes all room but this. */
  fill(leftBytes: number): void
  /** Gives it back. */
  clear(): void
  remove(): void
}

/** Undefined where this user may not mount one. */
export function smallDisk(sizeMiB: number): SmallDisk | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'ebb-disk-'))
  const filler = join(directory, 'filler')
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', directory], {
      stdio: 'pipe',
    })
  } catch (error) {
    rmSync(directory, { recursive: true })
    console.error(`SKIPPED: No small disk to fill: ${(error as Error).message}`)
    return undefined
  }
  return {
    directory,
    fill(leftBytes) {
      const { bavail, bsize } = statfsSync(directory)
      try {
        writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)))
      } catch (error) {
        // Somebody else took some of it meanwhile: it is full.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    },
    clear: () => rmSync(filler),
    remove() {
      execFileSync('umount', ['-l', directory])
      rmSync(directory, { recursive: true })
    },
  }
}
