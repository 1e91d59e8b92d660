import type { SpaceLevel } from './notes.ts'

/** Refused knocks never use the last tenth: who fills the ledger with them locks nobody out. */
const REFUSALS_SHARE = 0.9
/** Less than one page of a disk: the next line may or may not fit. */
const USED_UP_BYTES = 4096

/** How much may still be written: up to what the ledger was given, or what the disk has. */
export class Space {
  readonly #given: number
  #used = 0
  #capacity = 0

  constructor(given: number) {
    this.#given = given
  }

  measured(used: number, free: number): void {
    this.#used = used
    this.#capacity = Math.min(this.#given, used + free)
  }

  spend(bytes: number): void {
    this.#used += bytes
  }

  get level(): SpaceLevel {
    if (this.#capacity - this.#used < USED_UP_BYTES) return 'used-up'
    return this.#used < this.#capacity * REFUSALS_SHARE ? 'ample' : 'low'
  }

  /** Whether so much may be written; refusals are not to take the last of it. */
  admits(bytes: number, refusal: boolean): boolean {
    return this.#used + bytes <= this.#capacity * (refusal ? REFUSALS_SHARE : 1)
  }

  toString(): string {
    return `${this.#used} of ${this.#capacity} bytes used`
  }
}
