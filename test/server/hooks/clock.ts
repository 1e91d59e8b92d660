import type { Clock } from '../../../server/src/core/clock.ts'

/** A clock that only moves when it is told to. */
export class ManualClock implements Clock {
  #now = 1_800_000_000_000
  #monotonic = 1_000

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  /** Time passes. */
  advance(milliseconds: number): void {
    this.#now += milliseconds
    this.#monotonic += milliseconds
  }

  /** Somebody sets the wall clock; no time passes. */
  step(milliseconds: number): void {
    this.#now += milliseconds
  }
}
