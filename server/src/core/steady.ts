/** What a map held when it was asked to. */
export interface Held<V> extends Iterable<[string, V]> {
  /** It is not needed any more. */
  letGo(): void
}

/**
 * A map that can be held as it is, however large, in no time and for as long as it takes to write it
 * down; what changes meanwhile is kept beside it. Values are not copied, so they must not change: put
 * another one in. Held once more, or let go, it forgets what it was held as before.
 */
export class SteadyMap<V> {
  readonly #map = new Map<string, V>()
  /** What has changed since it is held; `undefined` is for what is gone. */
  #since: Map<string, V | undefined> | undefined

  get size(): number {
    let size = this.#map.size
    for (const [key, value] of this.#since ?? []) {
      size += Number(value !== undefined) - Number(this.#map.has(key))
    }
    return size
  }

  get(key: string): V | undefined {
    return this.#since?.has(key) ? this.#since.get(key) : this.#map.get(key)
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  set(key: string, value: V): void {
    const map: Map<string, V | undefined> = this.#since ?? this.#map
    map.set(key, value)
  }

  delete(key: string): void {
    if (this.#since) this.#since.set(key, undefined)
    else this.#map.delete(key)
  }

  /** As it is now. */
  *[Symbol.iterator](): Generator<[string, V]> {
    const since = this.#since
    if (!since) return yield* this.#map
    for (const [key, before] of this.#map) {
      const value = since.has(key) ? since.get(key) : before
      if (value !== undefined) yield [key, value]
    }
    for (const [key, value] of since) {
      if (value !== undefined && !this.#map.has(key)) yield [key, value]
    }
  }

  hold(): Held<V> {
    this.#letGo()
    const since = new Map<string, V | undefined>()
    this.#since = since
    const isHeld = () => this.#since === since
    return {
      [Symbol.iterator]: () => whileHeld(this.#map, isHeld),
      letGo: () => {
        if (isHeld()) this.#letGo()
      },
    }
  }

  #letGo(): void {
    const since = this.#since ?? []
    this.#since = undefined
    for (const [key, value] of since) {
      if (value === undefined) this.delete(key)
      else this.set(key, value)
    }
  }
}

/** A checkpoint that mixes two states would make codes good again: better none. */
function* whileHeld<V>(map: Map<string, V>, isHeld: () => boolean): Generator<[string, V]> {
  for (const entry of map) {
    if (!isHeld()) throw new Error('what was held has been let go')
    yield entry
  }
}
