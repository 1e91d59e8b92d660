/** Milliseconds between two looks: what holds the loop for longer shows. */
const LOOK_MS = 1

/**
 * How long the event loop was held at a stretch by this process's own work: the time between two
 * looks at it, as far as the processor was ours. Waiting for a processor that others have is not
 * counted; on a machine of one's own there is none.
 */
export class StallGauge {
  #longest = 0
  #before = now()
  #timer: NodeJS.Timeout | undefined

  reset(): void {
    clearInterval(this.#timer)
    this.#longest = 0
    this.#before = now()
    // Whoever looks on keeps no process that is over.
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
  }

  /** Milliseconds since the reset. It looks no more: a thousand looks a second keep a process busy. */
  end(): number {
    clearInterval(this.#timer)
    this.#look()
    return this.#longest
  }

  #look(): void {
    const after = now()
    const { wall, cpu } = this.#before
    this.#longest = Math.max(this.#longest, Math.min(after.wall - wall, after.cpu - cpu))
    this.#before = after
  }
}

function now(): { readonly wall: number; readonly cpu: number } {
  const { user, system } = process.cpuUsage()
  return { wall: performance.now(), cpu: (user + system) / 1000 }
}
