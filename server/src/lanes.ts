/** Work with the same key is done one after the other, and with different keys at the same time. */
export class Lanes {
  readonly #lanes = new Map<string, { tail: Promise<unknown>; waiting: number }>()

  async inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(key) ?? { tail: Promise.resolve(), waiting: 0 }
    this.#lanes.set(key, lane)
    lane.waiting++
    const turn = lane.tail.then(work)
    lane.tail = turn
    const done = await turn
    lane.waiting--
    if (lane.waiting === 0) this.#lanes.delete(key)
    return done
  }
}

/** Pauses that something may end before their time. */
export class Pauses {
  readonly #ends = new Map<string, Set<() => void>>()

  take(key: string, ms: number): Promise<void> {
    const ends = this.#ends.get(key) ?? new Set()
    this.#ends.set(key, ends)
    return new Promise(resolve => {
      const end = () => {
        clearTimeout(timer)
        ends.delete(end)
        if (ends.size === 0) this.#ends.delete(key)
        resolve()
      }
      const timer = setTimeout(end, ms)
      ends.add(end)
    })
  }

  end(key: string): void {
    for (const end of this.#ends.get(key) ?? []) end()
  }

  endAll(): void {
    for (const key of [...this.#ends.keys()]) this.end(key)
  }
}
