/** What came in, in order, and whoever waits for more. */
export class Inbox<T> {
  readonly #arrived: T[] = []
  readonly #waiting: ((item: T) => void)[] = []

  put(item: T): void {
    const waiter = this.#waiting.shift()
    if (waiter) waiter(item)
    else this.#arrived.push(item)
  }

  async next(): Promise<T> {
    return this.#arrived.shift() ?? new Promise(resolve => this.#waiting.push(resolve))
  }

  rest(): readonly T[] {
    return this.#arrived
  }
}
