import type { Clock } from '../../core/clock.ts'
import type { Report } from './events.ts'

/** Milliseconds that a guard is on trial; or for good; or however the table that is there says. */
export type Trial = number | 'for good' | 'as found'

/** How long a guard is on trial still; the kernel lets go by itself, this only knows when. */
export class TrialClock {
  readonly #clock: Clock
  readonly #report: Report
  #end: number | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(clock: Clock, report: Report) {
    this.#clock = clock
    this.#report = report
  }

  /** Milliseconds until it ends, 0 if it has; `undefined` if the guard is there for good. */
  get left(): number | undefined {
    if (this.#end === undefined) return undefined
    return Math.max(0, this.#end - this.#clock.monotonic())
  }

  /** `found`: what the table says that was there. */
  begin(trial: Trial, found?: number): void {
    if (trial === 'as found') this.set(found)
    else this.set(trial === 'for good' ? undefined : trial)
  }

  set(left: number | undefined): void {
    clearTimeout(this.#timer)
    this.#end = left === undefined ? undefined : this.#clock.monotonic() + left
  }

  /** Says that there is a trial, and later that it has ended. */
  announce(): void {
    clearTimeout(this.#timer)
    const { left } = this
    if (left === undefined) return
    if (left > 0) this.#report({ kind: 'guard-on-trial', seconds: Math.round(left / 1000) })
    this.#timer = setTimeout(() => this.#report({ kind: 'guard-let-go' }), left)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
