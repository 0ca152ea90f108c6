/** Copies of the source, to plant bugs in. */
import { spawnSync } from 'node:child_process'
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

/** Syntax, names that are not there, and what is used before it is. Careless types are what bugs are made of. */
const nonsense = /error TS(1\d{3}|2304|2448|2454|2552|2663|18004):/

/**
 * What of these bugs is no code, a line for each fault. All are looked at in one go, each in a file of its own beside
 * the one that it changes; the copy is as before then.
 */
export function nonsenseIn({ path }: Copy, bugs: readonly Bug[]): string[] {
  const beside = bugs.map(({ file }, at) => file.replace(/\.ts$/, `.planted-${at}.ts`))
  for (const [at, bug] of bugs.entries()) {
    const source = readFileSync(join(path, bug.file), 'utf8')
    writeFileSync(join(path, beside[at]!), planted(source, bug))
  }
  const args = ['node_modules/typescript/bin/tsc', '--noEmit', '--pretty', 'false']
  const options = { cwd: path, encoding: 'utf8', maxBuffer: 1 << 28 } as const
  const { stdout } = spawnSync(process.execPath, args, options)
  for (const file of beside) rmSync(join(path, file))
  return stdout.split('\n').flatMap(line => {
    const at = beside.findIndex(file => line.startsWith(`${file}(`))
    return nonsense.test(line) ? [`${bugs[at]?.name ?? 'the source'}: ${line}`] : []
  })
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
