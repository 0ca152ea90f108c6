/** Lines of `ebb pipe` laid on a log as the records they stand for. */
import { encodeRecord } from '../../services/log/codec.ts'
import type { NewRecord } from '../../services/log/log.ts'
import type { ClicksRecord, Control } from '../../services/log/record.ts'
import { parseSegment } from '../../services/log/segment.ts'
import type { Project } from './project.ts'

export type Line = Readonly<Record<string, unknown>>

/** When the line's record comes in; undefined: at the time of the one before. */
export function lineMs(line: Line): number | undefined {
  return (line.timestamp ?? line.tick ?? line.live) as number | undefined
}

/** `revision` tells the changes of one thing apart: any that grows. */
export function controlOf(line: Line, revision: number): Control {
  const [kind, value] = Object.entries(line)[0]!
  switch (kind) {
    case 'tick':
      return { kind, atMs: value as number, writer: 'replay' }
    case 'live':
      return { kind, atMs: value as number }
    case 'rule':
      return { kind, revision, rule: JSON.stringify(value) }
    case 'settings':
      return { kind, revision, settings: JSON.stringify(value) }
    default:
      return { kind, revision, ...(value as object) } as Control
  }
}

/** A replay on one partition: each line from one place up to another comes in at its own time by the log's clock. */
export async function replayLines(
  project: Project,
  lines: readonly Line[],
  from: number,
  to: number,
): Promise<void> {
  for (let at = from; at < to; at++) {
    const line = lines[at]!
    project.nowMs = lineMs(line) ?? project.nowMs
    const record = line.timestamp === undefined ? controlOf(line, at + 1) : parseSegment(line)
    await project.log.append('clicks', 0, [recordOf(record as ClicksRecord)])
  }
}

export function recordOf(record: ClicksRecord): NewRecord {
  return { key: record.kind === 'click' ? record.userId : null, value: encodeRecord(record) }
}
