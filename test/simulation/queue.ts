/** A binary heap of what is to happen, the earliest first, ties by the lot that each has drawn. */

interface Entry {
  timeMs: number
  readonly tie: number
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.timeMs === other.timeMs ? one.tie < other.tie : one.timeMs < other.timeMs
}

export function push<Item extends Entry>(heap: Item[], item: Item): void {
  let at = heap.push(item) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(item, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = item
}

export function pop<Item extends Entry>(heap: Item[]): Item | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (!isBefore(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return first
}
