/** Lines out to whoever reads them, who may be slow, or leave early as `head` does. */
import type { Writable } from 'node:stream'

const blockCharsMin = 1 << 16

/** Resolves once the text is written; rejects with the stream's error. */
export function write(output: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(text, error => (error ? reject(error) : resolve()))
  })
}

/** Writes lines in blocks; a reader who leaves ends it quietly. False when he left before the end. */
export async function writeLines(output: Writable, lines: AsyncIterable<string>): Promise<boolean> {
  // The same error comes to the callback of the write; without a listener it would end the process.
  const onError = (): void => undefined
  output.on('error', onError)
  try {
    let block = ''
    for await (const line of lines) {
      block += `${line}\n`
      if (block.length < blockCharsMin) continue
      await write(output, block)
      block = ''
    }
    await write(output, block)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
    return false
  } finally {
    output.off('error', onError)
  }
}
