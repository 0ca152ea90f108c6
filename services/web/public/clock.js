/**
 * The project's clock between two messages: it goes on at the speed that was measured, for a few seconds
 * at most, so that a replay that stands still is seen to stand.
 */

let seen = { clockMs: 0, speed: 0, atMs: 0 }
const aheadMsMax = 2_500

export function setClock(clockMs, speed) {
  const shown = projectNow()
  // Never back: a message that is a little late must not make a silence shrink.
  const near = shown - clockMs < speed * aheadMsMax
  seen = { clockMs: near ? Math.max(clockMs, shown) : clockMs, speed, atMs: performance.now() }
}

export function projectNow() {
  const sinceMs = Math.min(aheadMsMax, performance.now() - seen.atMs)
  return seen.clockMs + sinceMs * seen.speed
}
