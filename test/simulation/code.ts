/** The code that decides what comes of a seed, as one hash: what was counted with other code says nothing of this one. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = new URL('../../', import.meta.url).pathname
/** Sources of these folders, and all of the schemas. Of npm's packages the lock says which they are. */
const folders = ['services', 'schemas', 'test/model', 'test/simulation']
const others = ['package.json', 'package-lock.json']

/** From the root, ascending. Tests, and plans that are kept for them, decide nothing. */
export function filesOfCode(): string[] {
  const files = folders.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(({ parentPath, name }) => relative(root, join(parentPath, name))),
  )
  const deciding = files.filter(
    file => file.startsWith('schemas/') || (file.endsWith('.ts') && !file.endsWith('.test.ts')),
  )
  return [...deciding, ...others].sort()
}

export function hashOfCode(): string {
  const hash = createHash('sha256')
  for (const file of filesOfCode()) {
    const bytes = readFileSync(join(root, file))
    hash.update(`${file}\n${bytes.length}\n`).update(bytes)
  }
  return hash.digest('hex').slice(0, 16)
}
