/** `ebb import` into an Ebb that runs, or was opened for it: its target over the calls. */
import { join } from 'node:path'
import { EbbError } from '../base/errors.ts'
import type { Rejected } from '../collector/import/read.ts'
import type { ImportTarget } from '../collector/import/target.ts'
import { rowTime } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { ProjectCalls } from './calls.ts'
import { remoteLog } from './dump.ts'
import { firstClicksTopic } from './system.ts'

/** A rejected row of a file as it travels over the socket: its bytes as text. */
export type WireReject = Omit<Rejected, 'bytes'> & { readonly text: string }

export function wiredRejects(rows: readonly Rejected[]): WireReject[] {
  return rows.map(({ bytes, ...row }) => ({ ...row, text: bytes.toString('utf8') }))
}

export async function rejectRows(
  store: Store,
  rows: readonly WireReject[],
  nowMs: number,
): Promise<void> {
  const at = rowTime(nowMs)
  const tableRows = rows.map(row => ({
    source: 'import',
    epoch: 0,
    partition: 0,
    offset: row.line,
    index: row.fileNumber,
    kind: 'dead',
    reason: row.reason,
    detail: `${row.file}, line ${row.line}: ${row.detail}`.toWellFormed(),
    user_id: '',
    event_id: '',
    timestamp: null,
    bytes: row.text.toWellFormed(),
    clock: at,
    seen_at: at,
  }))
  if (tableRows.length > 0) await store.insert('rejects', tableRows)
}

/** What the fold said of the clicks from those offsets on, one a partition. */
export async function importVerdicts(
  store: Store,
  from: readonly number[],
): Promise<{ accepted: number; late: number }> {
  const [row] = await store.query<{ accepted: string; late: string }>(
    `SELECT countIf(verdict = 'accepted') AS accepted, countIf(verdict = 'late') AS late
     FROM clicks FINAL WHERE imported AND offset >= toUInt64(arrayElement({from:Array(String)}, partition + 1))`,
    { from: from.map(String) },
  )
  return { accepted: Number(row!.accepted), late: Number(row!.late) }
}

/** Records sent in one call: keeps a line of the socket small. */
const recordsAtOnce = 2_000

export async function openImportTarget(
  calls: ProjectCalls,
  close: () => Promise<void>,
): Promise<ImportTarget> {
  const facts = await calls.facts()
  const standing = await calls.standing()
  const log = remoteLog(calls)
  const from: number[] = []
  for (let partition = 0; partition < facts.partitions; partition++)
    from.push((await calls.bounds({ partition })).endOffset)
  return {
    mode: standing.live ? 'live' : 'historic',
    clockMs: standing.clockMs,
    partitions: facts.partitions,
    temporaryDirectory: join(facts.directory, 'import'),
    async append(partition, records) {
      if (records.length > recordsAtOnce)
        throw new EbbError('badInput', `At most ${recordsAtOnce} records go in one call.`)
      const wired = records.map(({ key, value }) => ({
        key,
        value: value?.toString('base64') ?? null,
      }))
      return calls.append({ partition, records: wired })
    },
    bounds: partition => log.bounds(firstClicksTopic, partition),
    read: (partition, offset, bytesMax) => log.read(firstClicksTopic, partition, offset, bytesMax),
    reject: rows => calls.rejectRows({ rows: wiredRejects(rows) }),
    verdicts: () => calls.importVerdicts({ from }),
    close,
  }
}
