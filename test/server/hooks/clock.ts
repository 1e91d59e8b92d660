import type { Clock } from '../../../server/src/core/clock.ts'

/** A clock that only moves when it is told to. */
export class ManualClock implements Clock {
  #now = 1_800_000_000_000

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  set(now: number): void {
    this.#now = now
  }
}
