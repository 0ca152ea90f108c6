/**
 * A door for operators: /livez, that the process answers; /readyz, whether it can do its work now, and if not what is
 * wrong, since when, and what Ebb does about it; /metrics.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EbbError } from './errors.ts'
import { type Fault, faultText } from './faults.ts'

export interface HealthOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Why the service cannot do its work now; none: ready. */
  readonly faults: () => readonly Fault[]
  /** What is wrong though the service does its work; told, and ready nonetheless. */
  readonly warnings?: () => readonly Fault[]
  /** Prometheus' text format. */
  readonly metrics: () => Promise<string>
}

export interface HealthDoor {
  readonly url: string
  stop(): Promise<void>
}

export async function serveHealth(options: HealthOptions): Promise<HealthDoor> {
  const { host, port } = options
  const server = createServer((request, response) => {
    const send = (status: number, text: string) => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
    }
    if (request.url === '/livez') send(200, 'ok\n')
    else if (request.url === '/readyz') {
      const faults = options.faults()
      const warnings = options.warnings?.() ?? []
      const lines = [...faults, ...warnings].map(faultText)
      if (faults.length === 0) lines.unshift('ok')
      send(faults.length === 0 ? 200 : 503, `${lines.join('\n')}\n`)
    } else if (request.url === '/metrics')
      options.metrics().then(
        text => send(200, text),
        () => send(503, 'The metrics cannot be read now.\n'),
      )
    else send(404, 'There are /livez, /readyz and /metrics.\n')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => {
      const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      reject(taken ? new EbbError('portTaken', `Port ${port} of ${host} is taken.`) : error)
    })
    server.listen(port, host, resolve)
  })
  const bound = (server.address() as AddressInfo).port
  return {
    url: `http://${host}:${bound}`,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
