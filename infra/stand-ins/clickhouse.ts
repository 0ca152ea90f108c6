/**
 * `ebb clickhouse` as a container. It answers to the names of its own machine only, as anybody who reaches it may
 * write; here the other containers reach it, by this door.
 */
import { spawn } from 'node:child_process'
import { createServer, request } from 'node:http'

const port = 8123
const inside = { host: '127.0.0.1', port: 8124 }

const engine = spawn(
  process.execPath,
  [
    'services/ebb.cjs',
    'clickhouse',
    '--data',
    '/var/lib/clickhouse',
    '--sql-port',
    `${inside.port}`,
  ],
  { stdio: 'inherit' },
)
engine.on('exit', code => process.exit(code ?? 1))
process.on('SIGTERM', () => engine.kill('SIGTERM'))

const door = createServer((asked, answer) => {
  const headers = { ...asked.headers, host: inside.host }
  const onward = request(
    { ...inside, method: asked.method, path: asked.url, headers },
    answered => {
      answer.writeHead(answered.statusCode!, answered.headers)
      answered.pipe(answer)
    },
  )
  onward.on('error', () => answer.destroy())
  answer.on('close', () => onward.destroy())
  asked.pipe(onward)
})
door.listen(port)
