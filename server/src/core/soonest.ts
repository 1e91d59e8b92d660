/** Stale entries that are kept before it is worth looking for them. */
const STALE_MIN = 64

interface Entry {
  readonly key: string
  readonly at: number
}

/**
 * Which of many comes first, without a look at all of them: a binary heap. Who gets another time, or is
 * deleted, leaves an entry behind that counts no more; these never outnumber those that do for long.
 */
export class Soonest {
  readonly #at = new Map<string, number>()
  #heap: Entry[] = []

  set(key: string, at: number): void {
    if (this.#at.get(key) === at) return
    this.#at.set(key, at)
    this.#push({ key, at })
    if (this.#heap.length > 2 * this.#at.size + STALE_MIN) this.#rebuild()
  }

  delete(key: string): void {
    this.#at.delete(key)
  }

  /** The earliest time; `Infinity` if there is none. */
  next(): number {
    for (let first = this.#heap[0]; first; first = this.#heap[0]) {
      if (this.#counts(first)) return first.at
      this.#pop()
    }
    return Number.POSITIVE_INFINITY
  }

  /** Those whose time is no later than that, in no order. */
  until(time: number): string[] {
    return [...new Set(this.#reached(time, 0))]
  }

  /** From a place in the heap down: who comes later has only later ones below. */
  *#reached(time: number, place: number): Generator<string> {
    const entry = this.#heap[place]
    if (!entry || entry.at > time) return
    if (this.#counts(entry)) yield entry.key
    yield* this.#reached(time, 2 * place + 1)
    yield* this.#reached(time, 2 * place + 2)
  }

  #counts({ key, at }: Entry): boolean {
    return this.#at.get(key) === at
  }

  #rebuild(): void {
    const entries = [...this.#at].map(([key, at]) => ({ key, at }))
    // In order it is a heap already.
    this.#heap = entries.sort((a, b) => a.at - b.at)
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let place = heap.push(entry) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (heap[parent]!.at <= entry.at) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = entry
  }

  /** Takes the first one out. */
  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++
      if (child >= heap.length || heap[child]!.at >= last.at) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
  }
}
