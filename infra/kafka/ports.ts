/** Ports for brokers of tests. */
import { createServer } from 'node:net'

/** The first of so many ports in a row that nobody listens on; below those that systems give away by themselves. */
export async function freePorts(count: number): Promise<number> {
  for (let first = 20_000 + ((process.pid * 8) % 10_000); ; first += count) {
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
