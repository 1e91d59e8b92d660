/** So many at once, and the others in turn: whoever waits too long or when it ends is turned away. */
export class Slots {
  readonly #count: number
  readonly #waitLimit: number
  readonly #waiting: Waiter[] = []
  #taken = 0
  #ended: Error | undefined
  #onIdle = () => {}

  constructor(count: number, waitLimit: number) {
    this.#count = count
    this.#waitLimit = waitLimit
  }

  /** Runs the work once there is room; rejects with `late()` if there is none for too long. */
  async use<T>(work: () => Promise<T>, late: () => Error): Promise<T> {
    if (this.#ended) throw this.#ended
    if (this.#taken < this.#count) this.#taken++
    else await this.#turn(late)
    try {
      return await work()
    } finally {
      this.#passOn()
    }
  }

  /** Turns away who waits and who comes, and returns when all work is done. */
  async end(reason: Error): Promise<void> {
    this.#ended = reason
    for (const waiter of this.#waiting.splice(0)) waiter.leave(reason)
    if (this.#taken === 0) return
    await new Promise<void>(resolve => {
      this.#onIdle = resolve
    })
  }

  #turn(late: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(late())
      }, this.#waitLimit)
      const waiter: Waiter = {
        enter() {
          clearTimeout(timer)
          resolve()
        },
        leave(reason) {
          clearTimeout(timer)
          reject(reason)
        },
      }
      this.#waiting.push(waiter)
    })
  }

  #passOn(): void {
    const next = this.#waiting.shift()
    if (next) next.enter()
    else if (--this.#taken === 0) this.#onIdle()
  }
}

interface Waiter {
  enter(): void
  leave(reason: Error): void
}
