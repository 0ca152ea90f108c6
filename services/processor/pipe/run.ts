/** `ebb pipe`: the fold with lines in and lines out. Imports no server and no store. */
import type { Click } from '../../log/record.ts'
import { isObject, parseSegment, parseTime, timeRule } from '../../log/segment.ts'
import type { FoldControl } from '../fold/control.ts'
import { closeAll } from '../fold/due.ts'
import { fold } from '../fold/fold.ts'
import { type ControlKey, controlKeys, parseControl } from '../fold/input.ts'
import { compareUtf8 } from '../fold/order.ts'
import { signalsAt } from '../fold/signals.ts'
import { createState, type PartitionState, type Position } from '../fold/state.ts'
import { type PipeOptions, parsePipeArguments } from './options.ts'
import { createSummary, printEffects, userLine } from './print.ts'

export interface Pipe {
  /** For looking at. */
  readonly state: PartitionState
  /** Takes one physical line; false when `--strict` ends the run here. */
  line(text: string): boolean
  /** The end of input. */
  end(): void
}

/** A line as read: a record and where it moves the clock; or why it is none. */
type Line =
  | { readonly record: Click | FoldControl; readonly clockMs: number; readonly arrivalMs: number }
  | { readonly dead: string }

function controlKeyOf(json: Readonly<Record<string, unknown>>): ControlKey | undefined {
  if (json.userId !== undefined || json.anonymousId !== undefined) return undefined
  return controlKeys.find(key => Object.hasOwn(json, key))
}

function parseLine(text: string, clock: PipeOptions['clock']): Line {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { dead: 'not JSON' }
  }
  if (!isObject(json)) return { dead: 'not a JSON object' }
  const key = controlKeyOf(json)
  if (key === undefined) return parseClick(json, clock)
  const extra = Object.keys(json).find(other => other !== key)
  if (extra !== undefined) return { dead: `${extra}: does not belong beside ${key}` }
  const parsed = parseControl(key, json[key], Number.NaN)
  if (typeof parsed === 'string') return { dead: parsed }
  return { record: parsed.control, clockMs: parsed.timeMs, arrivalMs: Number.NaN }
}

function parseClick(json: Readonly<Record<string, unknown>>, clock: PipeOptions['clock']): Line {
  const click = parseSegment(json)
  if (click.kind === 'dead') return { dead: click.detail }
  const logTimeMs = timeOf(json.logTime)
  if (logTimeMs === undefined) return { dead: `logTime: ${timeRule}` }
  const judgedMs = timeOf(json.judged)
  if (judgedMs === undefined) return { dead: `judged: ${timeRule}` }
  if (!Number.isNaN(judgedMs)) {
    const clockMs = clock === 'ticks' ? Number.NaN : judgedMs
    return { record: { ...click, judgedMs }, clockMs, arrivalMs: Number.NaN }
  }
  const arrivalMs = clock === 'log' ? logTimeMs : (click.receivedAtMs ?? Number.NaN)
  return { record: click, clockMs: clockOf(click, clock, logTimeMs), arrivalMs }
}

/** NaN where none is given; undefined for what is no time. */
function timeOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return Number.NaN
  const timeMs = parseTime(value)
  return Number.isNaN(timeMs) ? undefined : timeMs
}

/** Where a click moves the clock; NaN: nowhere. */
function clockOf(click: Click, clock: PipeOptions['clock'], logTimeMs: number): number {
  if (clock === 'ticks') return Number.NaN
  if (click.imported || clock === 'event') return click.timestampMs
  return clock === 'log' ? logTimeMs : (click.receivedAtMs ?? Number.NaN)
}

/** A pipe that hands its output lines, without newline, to `print`. */
export function createPipe(options: PipeOptions, print: (line: string) => void): Pipe {
  const state = createState('default', options.settings)
  const summary = createSummary()
  let physical = 0
  let messageId = ''
  const effects = printEffects(print, summary, () => messageId)
  const position = (clockMs: number, arrivalMs: number): Position => ({
    offset: physical,
    clockMs,
    arrivalMs,
    refusesPast: options.clock === 'log',
    fallbackId: messageId,
  })
  for (const rule of options.rules) {
    const record: FoldControl = { kind: 'rule', revision: Number.NaN, rule }
    fold(state, record, position(Number.NaN, Number.NaN), effects, Number.POSITIVE_INFINITY)
  }
  return {
    state,
    line(text) {
      physical++
      if (text.trim() === '') return true
      summary.lines++
      const line = parseLine(text, options.clock)
      if ('dead' in line) {
        summary.received++
        summary.dead++
        print(JSON.stringify({ dead: { line: physical, reason: line.dead } }))
        return !options.strict
      }
      const { record } = line
      if (record.kind === 'click') {
        summary.received++
        messageId = record.eventId === '' ? `line:${physical}` : record.eventId
      }
      const at = position(line.clockMs, line.arrivalMs)
      fold(state, record, at, effects, Number.POSITIVE_INFINITY)
      state.dirty.length = 0
      return true
    },
    end() {
      if (options.flush) closeAll(state, effects)
      if (options.signals) {
        const users = [...state.users.values()].filter(user => !Number.isNaN(user.firstSeenMs))
        users.sort((left, right) => compareUtf8(left.id, right.id))
        for (const user of users) print(userLine(signalsAt(user, state.clockMs, state.settings)))
      }
      if (options.summary) print(JSON.stringify({ summary }))
    },
  }
}

/** The whole of it on lines in memory: what tests and `ebb rules test` use. */
export function runPipe(lines: Iterable<string>, args: readonly string[]): string[] {
  const output: string[] = []
  const pipe = createPipe(parsePipeArguments(args), line => output.push(line))
  for (const line of lines) if (!pipe.line(line)) return output
  pipe.end()
  return output
}
