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
  readonly #fullAt = new Map<string, number>()

  constructor(burst = BURST, refillMs = REFILL_MS) {
    this.#burst = burst
    this.#refillMs = refillMs
  }

  /** Takes a token; false if there is none. */
  take(device: string, monotonicMs: number): boolean {
    const fullAt = Math.max(this.#fullAt.get(device) ?? 0, monotonicMs) + this.#refillMs
    if (fullAt - monotonicMs > this.#burst * this.#refillMs) return false
    this.#fullAt.set(device, fullAt)
    return true
  }
}
