/**
 * The expected silence: how likely it is that a buyer who has been quiet for q days stays away until a
 * horizon. BG/NBD (Fader, Hardie, Lee 2005, "Counting Your Customers" the Easy Way); the chance of no
 * purchase within H more weeks follows from its likelihood.
 */

/** Parameters in weeks. */
export interface Model {
  readonly r: number
  readonly alpha: number
  readonly a: number
  readonly b: number
}

/** A published fit of another shop: ranks as well as an own fit, only its probabilities need calibration. */
export const defaultModel: Model = { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 }

/** Everything that is wrong with the parameters, as a sentence. */
export function modelFault(model: Readonly<Record<string, unknown>>): string | undefined {
  for (const key of ['r', 'alpha', 'a', 'b']) {
    const value = model[key]
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      return `${key}: must be a number above 0`
  }
  return undefined
}

/**
 * P(no purchase until the horizon), rounded to 1e-9 so that machines agree.
 * `repeats`: purchase days after the first; `age`, `quiet`, `horizon`: weeks.
 */
export function goneScore(
  model: Model,
  repeats: number,
  age: number,
  quiet: number,
  horizon: number,
): number {
  const { r, alpha, a, b } = model
  const now = age + quiet
  const odds =
    repeats === 0 ? 0 : (a / (b + repeats - 1)) * ((alpha + now) / (alpha + age)) ** (r + repeats)
  const alive = 1 / (1 + odds)
  const silentIfAlive =
    ((alpha + now) / (alpha + now + Math.max(0, horizon - quiet))) ** (r + repeats)
  return Math.round((1 - alive * (1 - silentIfAlive)) * 1e9) / 1e9
}

/**
 * The first whole day q, not before `notBeforeDays`, at which the score reaches `probability`. The score
 * rises with q and is 1 from the horizon on, so there is one, and it is found by halving.
 */
export function expectedDays(
  model: Model,
  repeats: number,
  ageDays: number,
  horizonDays: number,
  probability: number,
  notBeforeDays: number,
): number {
  const reaches = (days: number) =>
    goneScore(model, repeats, ageDays / 7, days / 7, horizonDays / 7) >= probability
  let low = Math.ceil(notBeforeDays)
  let high = Math.max(low, Math.ceil(horizonDays))
  while (low < high) {
    const middle = (low + high) >> 1
    if (reaches(middle)) high = middle
    else low = middle + 1
  }
  return high
}
