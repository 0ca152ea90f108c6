/** How far an import is: one line that is redrawn on a terminal, else a plain line every few seconds. */
import type { Progress } from './import.ts'

export interface Screen {
  readonly isTerminal: boolean
  /** False under NO_COLOR. */
  readonly hasColor: boolean
  write(text: string): void
  nowMs(): number
}

export interface ProgressLine {
  show(progress: Progress): void
  /** A line of its own, above the bar. */
  say(line: string): void
  end(): void
}

const redrawMs = 100
const plainMs = 5000
const barCells = 24
const eraseLine = '\r\x1b[2K'

export function openProgress(screen: Screen): ProgressLine {
  const startMs = screen.nowMs()
  let shownMs = startMs
  let isDrawn = false
  const erase = (): void => {
    if (isDrawn) screen.write(eraseLine)
    isDrawn = false
  }
  return {
    show(progress) {
      const nowMs = screen.nowMs()
      if (nowMs - shownMs < (screen.isTerminal ? redrawMs : plainMs)) return
      shownMs = nowMs
      const text = describe(progress, nowMs - startMs)
      if (!screen.isTerminal) return screen.write(`${text}\n`)
      erase()
      screen.write(`${bar(progress, screen.hasColor)} ${text}`)
      isDrawn = true
    },
    say(line) {
      erase()
      screen.write(`${line}\n`)
    },
    end: erase,
  }
}

function shareOf({ done, total }: Progress): number {
  return total > 0 ? Math.min(done / total, 1) : 0
}

function bar(progress: Progress, hasColor: boolean): string {
  const full = Math.round(shareOf(progress) * barCells)
  const cells = `${'█'.repeat(full)}${'░'.repeat(barCells - full)}`
  return hasColor ? `\x1b[36m${cells}\x1b[0m` : cells
}

function describe(progress: Progress, elapsedMs: number): string {
  const { stage, done, total, rows } = progress
  const percent = total > 0 ? ` ${Math.floor(shareOf(progress) * 100)} %` : ''
  const amount =
    stage === 'writing'
      ? `${grouped(done)} of ${grouped(total)} clicks`
      : `${megabytes(done)} MB, ${grouped(rows)} rows`
  const seconds = Math.max(elapsedMs, 1) / 1000
  const rate = rows > 0 ? `, ${grouped(Math.round(rows / seconds))} rows/s` : ''
  return `${stage}${percent}: ${amount}${stage === 'writing' ? '' : rate}`
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

/** 1234567 as 1,234,567. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
