/** `ebb` itself, as a process of its own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { MappingOptions } from '../../services/collector/import/mapping.ts'

const program = new URL('../../services/ebb.cjs', import.meta.url).pathname

/** What a command writes to standard output when it is given these lines; it must end well. */
export async function runEbb(args: readonly string[], input: readonly string[]): Promise<string[]> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  child.stdin.end(input.map(line => `${line}\n`).join(''))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [status] = await ended
  assert.equal(status, 0, errors)
  return output.split('\n').slice(0, -1)
}

/** The options of `ebb import` that mean this mapping. */
export function importFlags(mapping: MappingOptions): string[] {
  return Object.entries(mapping).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`,
    ...[value as string | readonly string[]].flat(),
  ])
}
