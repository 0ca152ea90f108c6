import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { openTarget } from './embedded.ts'
import { contentsOf, file, folder, importInto, openProject } from './fixture.ts'

const importer = new URL('importer.ts', import.meta.url).pathname

/** Kills the importer after so many appends; resolves to the number that it said. */
function killAfter(directory: string, path: string, appends: number): Promise<number> {
  const args = ['--disable-warning=ExperimentalWarning', importer, directory, path]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = 0
  child.stdout.on('data', chunk => {
    said += chunk.length
    if (said >= appends) child.kill('SIGKILL')
  })
  return new Promise(resolve => child.on('close', () => resolve(said)))
}

test('kill -9 while it appends, several times: the log is that of one run', async t => {
  const rows = Array.from({ length: 4000 }, (_, row) => {
    const time = new Date(Date.parse('2024-01-01') + ((row * 7919) % 4000) * 60_000).toISOString()
    return `user-${row % 97},${time},home`
  })
  const path = file(t, 'a.csv', `userId,timestamp,event\n${rows.join('\n')}\n`)
  const directory = folder(t)
  for (const appends of [1, 7, 20, 3]) assert.ok((await killAfter(directory, path, appends)) > 0)
  const target = await openTarget(directory)
  const { summary } = await importInto(target, path)
  assert.ok(summary.alreadyThere >= 31 * 40, `${summary.alreadyThere} were there`)
  assert.ok(summary.written > 0)
  const whole = await openProject(t)
  await importInto(whole.target, path)
  assert.deepEqual(await contentsOf(target), await whole.contents())
  await target.close()
  const left = readdirSync(directory).filter(name => name.startsWith('import-'))
  assert.deepEqual(left, [], 'what killed imports leave on the disk goes away')
})
