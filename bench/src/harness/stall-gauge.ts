/** Milliseconds between two looks: what holds the loop for longer shows. */
const LOOK_MS = 1

/**
 * How long the event loop was held at a stretch by this process's own work: the time between two
 * looks at it, as far as the processor was ours. Waiting for a processor that others have is not
 * counted; on a machine of one's own there is none.
 */
export class StallGauge {
  longest = 0
  #timer: NodeJS.Timeout | undefined

  reset(): void {
    clearInterval(this.#timer)
    this.longest = 0
    let before = now()
    this.#timer = setInterval(() => {
      const after = now()
      const held = Math.min(after.wall - before.wall, after.cpu - before.cpu)
      this.longest = Math.max(this.longest, held)
      before = after
    }, LOOK_MS)
    // Whoever looks on keeps no process that is over.
    this.#timer.unref()
  }
}

function now(): { readonly wall: number; readonly cpu: number } {
  const { user, system } = process.cpuUsage()
  return { wall: performance.now(), cpu: (user + system) / 1000 }
}
