/** Copies of the source, to plant bugs in. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bug } from './bug.ts'

export const root = new URL('../../', import.meta.url).pathname
/** What the simulator and the named tests need; what one of them lacks, it shows before a bug is planted. */
const parts = [
  ...['services', 'schemas', 'test', 'infra'],
  ...['package.json', 'package-lock.json', 'tsconfig.json'],
]

export interface Copy {
  readonly path: string
  remove(): void
}

/** A Kafka that is fetched: too large for each copy, and nothing here starts one. */
const left = join('infra', 'kafka', 'jars')

/** Of `from`, which is the repository or a copy of it. */
export function copyOf(from: string): Copy {
  const path = mkdtempSync(join(tmpdir(), 'ebb-planted-'))
  const filter = (file: string) => file !== join(from, left)
  for (const part of parts) cpSync(join(from, part), join(path, part), { recursive: true, filter })
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export function plant(copy: Copy, bug: Bug): void {
  const path = join(copy.path, bug.file)
  writeFileSync(path, planted(readFileSync(path, 'utf8'), bug))
}

/** The source with the bug; throws where it does not have the clause exactly once. */
export function planted(source: string, { name, file, from, to, behind = '' }: Bug): string {
  const places = source.split(from).length - 1
  if (places !== 1)
    throw new Error(`${name}: ${file} has the clause ${places} times, not once; mend bugs.ts.`)
  return source.replace(from, () => to) + behind
}

/** As it was before it was planted. */
export function uproot(copy: Copy, { file }: Bug): void {
  cpSync(join(root, file), join(copy.path, file))
}
