/** Amounts of money as files write them, added and multiplied exactly: 0.1 + 0.2 is 0.3 here. */

/** The number `units * 10 ** -scale`. `scale` is never negative. */
export interface Decimal {
  readonly units: bigint
  readonly scale: number
}

export const zero: Decimal = { units: 0n, scale: 0 }

/** Longer ones are no money, and would make the powers of ten below expensive. */
const digitsMax = 30
const exponentMax = 30

/** `-12.50`, `.5`, `3e2`; undefined for all else: no thousands separators, no currency signs, no NaN. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text)
  if (!match) return undefined
  const [, sign, whole = '', fraction = '', exponentText = '0'] = match
  const digits = whole + fraction
  const exponent = Number(exponentText)
  if (digits === '' || digits.length > digitsMax || Math.abs(exponent) > exponentMax)
    return undefined
  const units = sign === '-' ? -BigInt(digits) : BigInt(digits)
  const scale = fraction.length - exponent
  return scale < 0 ? { units: units * 10n ** BigInt(-scale), scale: 0 } : { units, scale }
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return { units: a.units * b.units, scale: a.scale + b.scale }
}

export function add(a: Decimal, b: Decimal): Decimal {
  if (a.scale < b.scale) return add(b, a)
  return { units: a.units + b.units * 10n ** BigInt(a.scale - b.scale), scale: a.scale }
}

export function magnitude(decimal: Decimal): Decimal {
  return decimal.units < 0n ? { ...decimal, units: -decimal.units } : decimal
}

/** The nearest double: rounded once, at the end. */
export function toNumber(decimal: Decimal): number {
  return Number(`${decimal.units}e-${decimal.scale}`)
}
