/** An owner that writes down what happens to it, and lets a test wait for it. */
import type { Lease, LogRecord, Owner } from '../../services/log/log.ts'

export type Happening =
  | { readonly what: 'open' | 'close' | 'failed'; readonly partition: number }
  | { readonly what: 'records'; readonly partition: number; readonly offsets: readonly number[] }

export interface RecordingOwner extends Owner {
  readonly happenings: readonly Happening[]
  readonly errors: readonly Error[]
  readonly leases: readonly Lease[]
  /** The offsets that one partition got, in order. */
  offsets(partition: number): number[]
  /** Resolves as soon as the condition holds; it is asked after each happening. */
  until(condition: () => boolean): Promise<void>
}

interface Behaviour {
  readonly open?: (partition: number) => Promise<number>
  readonly records?: (partition: number, batch: readonly LogRecord[]) => Promise<void>
  readonly close?: (partition: number, lost: boolean) => Promise<void>
}

export function recordingOwner({
  open = async () => 0,
  records = async () => {},
  close = async () => {},
}: Behaviour = {}): RecordingOwner {
  const happenings: Happening[] = []
  const errors: Error[] = []
  const leases: Lease[] = []
  let waiting: { condition: () => boolean; resolve: () => void }[] = []

  function happened(happening: Happening): void {
    happenings.push(happening)
    const met = waiting.filter(({ condition }) => condition())
    waiting = waiting.filter(entry => !met.includes(entry))
    for (const { resolve } of met) resolve()
  }

  return {
    happenings,
    errors,
    leases,
    offsets: partition =>
      happenings.flatMap(entry =>
        entry.what === 'records' && entry.partition === partition ? entry.offsets : [],
      ),
    until: condition =>
      condition()
        ? Promise.resolve()
        : new Promise(resolve => waiting.push({ condition, resolve })),
    async open(partition) {
      const offset = await open(partition)
      happened({ what: 'open', partition })
      return offset
    },
    async records(partition, batch, lease) {
      leases[partition] = lease
      await records(partition, batch)
      happened({ what: 'records', partition, offsets: batch.map(record => record.offset) })
    },
    async close(partition, lost) {
      await close(partition, lost)
      happened({ what: 'close', partition })
    },
    failed(partition, error) {
      errors.push(error)
      happened({ what: 'failed', partition })
    },
  }
}

/** A promise that a test settles by hand. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => {}
  const passed = new Promise<void>(resolve => {
    open = resolve
  })
  return { passed, open }
}
