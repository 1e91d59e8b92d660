/** Seconds: from what a ledger takes at its best to what nobody waits for. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** How often something took how long: a count for each bound, so no sample is kept. */
export class Histogram {
  readonly #counts = new Float64Array(BOUNDS.length + 1)
  #sum = 0

  observe(ms: number): void {
    const seconds = ms / 1000
    const place = BOUNDS.findIndex(bound => seconds <= bound)
    this.#counts[place < 0 ? BOUNDS.length : place]!++
    this.#sum += seconds
  }

  /** As Prometheus wants them: each bound with all that took no longer. */
  read(): { readonly upTo: readonly (readonly [string, number])[]; readonly sum: number } {
    let total = 0
    const upTo = [...BOUNDS.map(String), '+Inf'].map((bound, i) => {
      total += this.#counts[i]!
      return [bound, total] as const
    })
    return { upTo, sum: this.#sum }
  }
}
