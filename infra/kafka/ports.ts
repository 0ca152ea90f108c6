/** Ports for servers of tests. */
import { createServer } from 'node:net'

/**
 * The first of so many ports in a row, at `from` or behind it, that nobody listens on. Below those that systems give to
 * connections: a server that is started again must find its port free.
 */
export async function freePorts(
  count: number,
  from = 20_000 + ((process.pid * 8) % 10_000),
): Promise<number> {
  for (let first = from; ; first += count) {
    const free = await Promise.all(
      Array.from({ length: count }, (_, index) => isFree(first + index)),
    )
    if (!free.includes(false)) return first
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listening = new Promise<boolean>(resolve => {
    server.once('listening', () => resolve(true)).once('error', () => resolve(false))
  })
  server.listen(port, '127.0.0.1')
  const free = await listening
  if (free) await new Promise(resolve => server.close(resolve))
  return free
}
