/** The flags of `ebb pipe`. */
import { readFileSync } from 'node:fs'
import { EbbError } from '../../base/errors.ts'
import { parseRule, RuleFault, type RuleText } from '../fold/rule.ts'
import { changeSettings, defaultSettings, type Settings, settingNames } from '../fold/settings.ts'

const clocks = ['event', 'arrival', 'ticks', 'log'] as const

export interface PipeOptions {
  readonly settings: Settings
  /** What moves the clock besides ticks. */
  readonly clock: (typeof clocks)[number]
  readonly rules: readonly RuleText[]
  readonly signals: boolean
  readonly summary: boolean
  /** Whether all sessions close at the end of input. */
  readonly flush: boolean
  readonly strict: boolean
}

const switches = ['signals', 'summary', 'no-flush', 'strict']
const valued = [...settingNames.filter(name => name !== 'zone'), 'clock', 'rules']

function bad(message: string): never {
  throw new EbbError('badInput', message)
}

/** `--name value` and `--name=value` into values by name; the last one of a name counts. */
function readFlags(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>()
  for (let at = 0; at < args.length; at++) {
    const argument = args[at]!
    const [, name, , inline] = /^--([a-z-]+)(=([\s\S]*))?$/.exec(argument) ?? []
    if (name === undefined || !(switches.includes(name) || valued.includes(name)))
      bad(`${argument} is no option of ebb pipe; see ebb pipe --help.`)
    if (switches.includes(name)) {
      if (inline !== undefined) bad(`--${name} takes no value.`)
      flags.set(name, '')
      continue
    }
    const value = inline ?? args[++at]
    if (value === undefined) bad(`--${name} needs a value.`)
    flags.set(name, value)
  }
  return flags
}

/** The values of a rules file: one rule, an array, or one a line. */
export function readRuleValues(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : [value]
  } catch {
    // Not one JSON value: one a line.
  }
  const lines = text.split('\n').filter(line => line.trim() !== '')
  if (lines.length === 0) bad('there is no rule in it')
  return lines.map((line, at) => {
    try {
      return JSON.parse(line)
    } catch (error) {
      return bad(`line ${at + 1} is no JSON: ${(error as Error).message}`)
    }
  })
}

export function parseRules(values: readonly unknown[]): RuleText[] {
  return values.map((value, at) => {
    try {
      return parseRule(value)
    } catch (error) {
      if (!(error instanceof RuleFault)) throw error
      return bad(`rule ${at + 1}: ${error.message}`)
    }
  })
}

function readRules(file: string): RuleText[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return bad(`The rules file cannot be read: ${(error as Error).message}`)
  }
  try {
    return parseRules(readRuleValues(text))
  } catch (error) {
    return bad(`The rules file ${file} is not usable: ${(error as Error).message}`)
  }
}

/** Throws EbbError badInput with a sentence for an unknown flag or a bad value. */
export function parsePipeArguments(args: readonly string[]): PipeOptions {
  const flags = readFlags(args)
  const named: Record<string, string> = {}
  for (const name of settingNames) {
    const value = flags.get(name)
    if (value !== undefined) named[name] = value
  }
  const settings = changeSettings(defaultSettings, named)
  if (typeof settings === 'string') bad(`--${settings}.`)
  const clock = flags.get('clock') ?? 'event'
  if (!clocks.includes(clock as PipeOptions['clock']))
    bad(`--clock: must be one of ${clocks.join(', ')}.`)
  const rules = flags.get('rules')
  return {
    settings,
    clock: clock as PipeOptions['clock'],
    rules: rules === undefined ? [] : readRules(rules),
    signals: flags.has('signals'),
    summary: flags.has('summary'),
    flush: !flags.has('no-flush'),
    strict: flags.has('strict'),
  }
}
