#!/usr/bin/env node
// The door to ebb.ts. CommonJS, and plain enough for any Node: it looks at the version first, and it sets
// what must be set before the first thread starts.
const { existsSync } = require('node:fs')
const { enableCompileCache } = require('node:module')
const { join } = require('node:path')

// A waiting ClickHouse query holds a thread of libuv's pool; with the usual 4 the disk would wait for it.
process.env.UV_THREADPOOL_SIZE ||= '16'

// Whoever was started by another ebb ends in order when that one dies: nobody would watch it, and the next could not
// have its ports and partitions.
if (process.connected) {
  process.channel.unref()
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}

const major = Number(process.versions.node.split('.')[0])
if (major >= 24) {
  // node:sqlite is marked experimental; its warning is no news for a user of Ebb.
  const { emitWarning } = process
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === 'string' ? rest[0] : rest[0]?.type
    if (type !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest)
  }
  // Most of a start goes into stripping types and compiling: Node keeps what came of it with its temporary files.
  enableCompileCache()
  import('./ebb.ts')
} else {
  const newer = join(__dirname, '..', 'node_modules', 'node', 'bin', 'node')
  if (!existsSync(newer)) {
    console.error(
      `ebb needs Node 24 or newer; this is ${process.versions.node}.\n` +
        'Run `npm ci` in its folder (that brings Node 24 along), or install Node 24.',
    )
    process.exit(1)
  }
  const { spawn } = require('node:child_process')
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc']
  const child = spawn(newer, [__filename, ...process.argv.slice(2)], { stdio })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
}
