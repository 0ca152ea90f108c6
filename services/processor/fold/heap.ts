/**
 * A binary heap of values by a number. Entries are never moved: who changes his mind later lets the old
 * entry come out and puts a new one in, so that a click costs no heap work at all.
 */
export interface Heap<T> {
  readonly keys: number[]
  readonly values: T[]
}

export function createHeap<T>(): Heap<T> {
  return { keys: [], values: [] }
}

/** The smallest key; Infinity when empty. */
export function heapTop<T>(heap: Heap<T>): number {
  return heap.keys.length === 0 ? Number.POSITIVE_INFINITY : heap.keys[0]!
}

export function heapPush<T>(heap: Heap<T>, key: number, value: T): void {
  const { keys, values } = heap
  let at = keys.length
  keys.push(key)
  values.push(value)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (keys[parent]! <= key) break
    keys[at] = keys[parent]!
    values[at] = values[parent]!
    at = parent
  }
  keys[at] = key
  values[at] = value
}

/** Takes out the value with the smallest key. The heap must not be empty. */
export function heapPop<T>(heap: Heap<T>): T {
  const { keys, values } = heap
  const top = values[0]!
  const key = keys.pop()!
  const value = values.pop()!
  const length = keys.length
  if (length === 0) return top
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= length) break
    if (child + 1 < length && keys[child + 1]! < keys[child]!) child++
    if (keys[child]! >= key) break
    keys[at] = keys[child]!
    values[at] = values[child]!
    at = child
  }
  keys[at] = key
  values[at] = value
  return top
}
