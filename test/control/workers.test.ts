/** `ebb processor --workers`: each with a health port of its own, and none outlives who started it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { door, freePort } from './ebb.ts'

const timeout = 120_000

async function lives(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/livez`).then(
    ({ status }) => status === 200,
    () => false,
  )
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(50)
}

test('workers end when who started them is killed, and leave the ports of other services alone', {
  timeout,
}, async t => {
  const [nobody, first] = [await freePort(), await freePort()]
  const servers = [`--kafka=127.0.0.1:${nobody}`, `--clickhouse=http://127.0.0.1:${nobody}`]
  const args = [door, 'processor', ...servers, '--workers', '2', '--health-port', `${first}`]
  const parent = spawn(process.execPath, args, { stdio: 'ignore' })
  t.after(() => parent.kill('SIGKILL'))
  const all = async (state: boolean) => {
    const found = await Promise.all([first, first + 10].map(lives))
    return found.every(one => one === state)
  }
  await until(() => all(true))
  assert.equal(await lives(first + 1), false)
  parent.kill('SIGKILL')
  await until(() => all(false))
})
