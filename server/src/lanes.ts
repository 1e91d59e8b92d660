const NOTHING: Promise<unknown> = Promise.resolve()

/** Work with the same key is done one after the other, and with different keys at the same time. */
export class Lanes {
  /** The last work of each key. */
  readonly #tails = new Map<string, Promise<unknown>>()

  /** Work that fails keeps nobody behind it from their turn. */
  async inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#tails.get(key) ?? NOTHING).then(work, work)
    this.#tails.set(key, turn)
    try {
      return await turn
    } finally {
      if (this.#tails.get(key) === turn) this.#tails.delete(key)
    }
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
