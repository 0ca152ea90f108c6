/** Thousands of rows compared: the first one that differs is named, as no one reads a difference of all. */
import assert from 'node:assert/strict'

export function sameRows(found: readonly unknown[], expected: readonly unknown[]): void {
  const texts = (rows: readonly unknown[]) =>
    rows.map(row => (typeof row === 'string' ? row : JSON.stringify(row)))
  const [left, right] = [texts(found), texts(expected)]
  const at = right.findIndex((text, index) => text !== left[index])
  if (at >= 0) assert.equal(left[at], right[at], `row ${at} of ${right.length}`)
  assert.equal(left.length, right.length, 'the number of rows')
}
