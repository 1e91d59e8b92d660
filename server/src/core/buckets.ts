/** Packets that a device may send at once: a knock, its retransmissions and its other family. */
export const BURST = 20
/** Milliseconds in which a device earns one more packet. */
export const REFILL_MS = 1000

/**
 * A token bucket for each device (or whatever else has a name), kept as the one instant at which it would
 * be full again (the generic cell rate algorithm): one number a device, and nothing to do as time goes by.
 */
export class Buckets {
  readonly #burst: number
  readonly #refillMs: number
  readonly #most: number
  readonly #fullAt = new Map<string, number>()

  /** `most`: names that are remembered, for those that anybody can have; whoever took longest ago is forgotten. */
  constructor(burst = BURST, refillMs = REFILL_MS, most = Number.POSITIVE_INFINITY) {
    this.#burst = burst
    this.#refillMs = refillMs
    this.#most = most
  }

  get size(): number {
    return this.#fullAt.size
  }

  /** Takes a token; false if there is none. */
  take(device: string, monotonicMs: number): boolean {
    const fullAt = Math.max(this.#fullAt.get(device) ?? 0, monotonicMs) + this.#refillMs
    if (fullAt - monotonicMs > this.#burst * this.#refillMs) return false
    if (this.#most !== Number.POSITIVE_INFINITY) this.#makeRoom(device)
    this.#fullAt.set(device, fullAt)
    return true
  }

  giveBack(device: string): void {
    const fullAt = this.#fullAt.get(device)
    if (fullAt !== undefined) this.#fullAt.set(device, fullAt - this.#refillMs)
  }

  /** Behind all others, so that the map stays in the order of time. */
  #makeRoom(device: string): void {
    this.#fullAt.delete(device)
    if (this.#fullAt.size >= this.#most) this.#fullAt.delete(this.#fullAt.keys().next().value!)
  }
}
