/** Local times of a time zone in epoch ms: for files whose times carry no zone of their own. */
import { EbbError } from '../../base/errors.ts'
import { parseIsoTime } from '../../base/timestamp.ts'

export interface Zone {
  readonly name: string
  /**
   * Epoch ms of a wall clock that shows `localMs` (a local time written as if it were UTC). A time that the
   * clocks skipped in spring is read by the offset before the jump; one that they showed twice in autumn is the
   * first of the two.
   */
  toUtcMs(localMs: number): number
}

/** No zone has changed its offset since 1970 but at a multiple of this. */
const offsetStepMs = 15 * 60_000
const dayMs = 86_400_000

/** An IANA name (`Europe/London`) or an offset (`+02:00`, `Z`). */
export function openZone(name: string): Zone {
  const midnightMs = parseIsoTime(`1970-01-02T00:00${name}`)
  if (!Number.isNaN(midnightMs)) {
    const offsetMs = dayMs - midnightMs
    return { name: name === 'Z' ? 'UTC' : name, toUtcMs: localMs => localMs - offsetMs }
  }
  const offsetAt = offsetsOf(name)
  return {
    name,
    toUtcMs(localMs) {
      // One day off on either side lies beyond any jump, so these are the offsets before and after it.
      const earlyMs = localMs - offsetAt(localMs - dayMs)
      const lateMs = localMs - offsetAt(localMs + dayMs)
      if (earlyMs === lateMs || offsetAt(earlyMs) === localMs - earlyMs) return earlyMs
      return offsetAt(lateMs) === localMs - lateMs ? lateMs : earlyMs
    },
  }
}

/** The zone's offset in ms at a UTC time. Asking Intl is slow, so answers are kept, one a quarter of an hour. */
function offsetsOf(name: string): (utcMs: number) => number {
  const format = openFormat(name)
  const known = new Map<number, number>()
  return utcMs => {
    const step = Math.floor(utcMs / offsetStepMs)
    let offsetMs = known.get(step)
    if (offsetMs === undefined) {
      offsetMs = readOffset(format, step * offsetStepMs)
      known.set(step, offsetMs)
    }
    return offsetMs
  }
}

function openFormat(name: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
  } catch (error) {
    const examples = 'Europe/London, or an offset such as +02:00'
    throw new EbbError(
      'badInput',
      `--zone: there is no time zone ${name}; name one as ${examples}.`,
      {
        cause: error,
      },
    )
  }
}

function readOffset(format: Intl.DateTimeFormat, utcMs: number): number {
  const text = format.formatToParts(utcMs).find(part => part.type === 'timeZoneName')?.value ?? ''
  const match = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text)
  if (!match) throw new EbbError('badInput', `--zone: the offset ${text} cannot be read.`)
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = match
  const offsetMs = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000
  return sign === '-' ? -offsetMs : offsetMs
}
