import type { Clock } from '../../core/clock.ts'

/** What is done again and again is given at most this part of the time, however long it takes. */
const SHARE = 10

/** Does something after each period, one at a time; more rarely if it takes long. It must not fail. */
export class Rhythm {
  readonly #clock: Clock
  readonly #period: number
  readonly #work: () => Promise<unknown>
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(clock: Clock, period: number, work: () => Promise<unknown>) {
    this.#clock = clock
    this.#period = period
    this.#work = work
  }

  start(pause = this.#period): void {
    this.#timer = setTimeout(async () => {
      const started = this.#clock.monotonic()
      await this.#work()
      const took = this.#clock.monotonic() - started
      if (!this.#stopped) this.start(Math.max(this.#period, took * (SHARE - 1)))
    }, pause)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }
}
