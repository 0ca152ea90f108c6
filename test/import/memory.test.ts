import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { folder } from './fixture.ts'

const printer = new URL('printer.ts', import.meta.url).pathname
const rows = 120_000

/** A file of about 20 MB, its times all mixed up. */
function generate(path: string): void {
  const file = openSync(path, 'w')
  writeSync(file, 'userId,timestamp,event,order,price,note\n')
  for (let row = 0; row < rows; ) {
    let block = ''
    for (const end = row + 1000; row < end; row++) {
      const timeMs = 1.6e12 + ((row * 7919) % rows) * 1000
      block += `user-${row % 5000},${timeMs},Order Completed,${row % 50_000},0.1,${'x'.repeat(100)}\n`
    }
    writeSync(file, block)
  }
  closeSync(file)
}

for (const order of ['', 'order'])
  test(`a file larger than memory${order && ', its orders added up'}, is sorted all the same`, t => {
    const directory = folder(t)
    const path = join(directory, 'large.csv')
    generate(path)
    const flags = ['--max-old-space-size=32', '--disable-warning=ExperimentalWarning']
    const child = spawnSync(process.execPath, [...flags, printer, directory, path, order], {
      encoding: 'utf8',
    })
    assert.equal(child.status, 0, child.stderr.slice(-2000))
    const result = JSON.parse(child.stdout)
    assert.deepEqual(result, { lines: order ? 50_000 : rows, isSorted: true, cents: rows * 10 })
  })
