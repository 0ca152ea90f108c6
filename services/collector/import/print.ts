/** Clicks as lines for `ebb pipe`: each is what the log would get. */
import type { Writable } from 'node:stream'
import { write } from '../../base/output.ts'
import type { SortedClicks } from './read.ts'
import type { Sink, Written } from './target.ts'

const blockBytes = 64 * 1024

export function printSink(output: Writable): Sink {
  return {
    verb: 'printed',
    ready: () => undefined,
    write: (clicks, onClicks) => print(clicks, output, onClicks),
  }
}

async function print(
  clicks: SortedClicks,
  output: Writable,
  onClicks: (written: number) => void,
): Promise<Written> {
  // The same error comes to the callback of the write; without a listener it would end the process.
  const onError = (): void => undefined
  output.on('error', onError)
  let written = 0
  try {
    let block = ''
    for (const { text } of clicks.sorted()) {
      block += `${text}\n`
      written++
      if (block.length < blockBytes) continue
      await write(output, block)
      block = ''
      onClicks(written)
    }
    await write(output, block)
  } catch (error) {
    // Whoever reads has had enough, as `head` does.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  } finally {
    output.off('error', onError)
  }
  return { written, alreadyThere: 0 }
}
