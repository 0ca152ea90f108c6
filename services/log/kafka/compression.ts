/** What stands compressed on the log: zstd, which Ebb writes, and gzip, which others do. */
import { promisify } from 'node:util'
import { gunzip, zstdCompress, zstdDecompress } from 'node:zlib'
import { EbbError } from '../../base/errors.ts'

/** A batch of Ebb's is far smaller; one that claims more is a bomb, or not for us. */
export const batchBytesMax = 64 * 1024 * 1024

const compressZstd = promisify(zstdCompress)
const expandZstd = promisify(zstdDecompress)
const expandGzip = promisify(gunzip)

/** In the shape that kafkajs asks for. */
export const zstdCodec = {
  compress: ({ buffer }: { buffer: Buffer }) => compressZstd(buffer),
  decompress: (bytes: Buffer) => expanded(4, bytes),
}

type Expand = (bytes: Buffer, limit: { readonly maxOutputLength: number }) => Promise<Buffer>

/** By the codec's number in a batch's attributes; what is not here Ebb does not read. */
const expanders: Record<number, Expand> = { 1: expandGzip, 4: expandZstd }
const codecNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Throws `batchUnreadable`, also on more than batchBytesMax. */
export async function expanded(codec: number, bytes: Buffer): Promise<Buffer> {
  const expand = expanders[codec]
  const name = codecNames[codec] ?? `codec ${codec}`
  if (!expand)
    throw new EbbError('batchUnreadable', `It is compressed with ${name}; Ebb reads zstd and gzip.`)
  try {
    return await expand(bytes, { maxOutputLength: batchBytesMax })
  } catch (error) {
    const { message } = error as Error
    throw new EbbError('batchUnreadable', `Its ${name} cannot be expanded: ${message}.`, {
      cause: error,
    })
  }
}
