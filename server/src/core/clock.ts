/** Time, passed in. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may step either way. */
  now(): number
  /** Milliseconds since some fixed instant; never steps, and goes on while the machine sleeps or not. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
