/** What a service says of itself at /metrics. */
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import type { Service } from './services.ts'

const pollIntervalMs = 100

/** The value of each line, by its name with labels. */
export type Figures = ReadonlyMap<string, number>

export async function readMetrics(service: Service): Promise<Figures> {
  const [, url] = /health\s+(http:\S+)\/readyz/.exec(service.output())!
  const text = await (await fetch(`${url}/metrics`)).text()
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

/** Asks again and again, until the figures are so. */
export async function metricsOnce(
  service: Service,
  isSo: (figures: Figures) => boolean,
): Promise<Figures> {
  for (;;) {
    const figures = await readMetrics(service)
    if (isSo(figures)) return figures
    assert.equal(service.child.exitCode, null, service.output())
    await wait(pollIntervalMs)
  }
}

export function sumOf(figures: Figures, name: string): number {
  let sum = 0
  for (const [line, value] of figures) if (line.startsWith(`${name}{`)) sum += value
  return sum
}
