/**
 * The reference for stalls: a process that counts for about as long as the daemon makes hints, and
 * rests as long, under the same gauge. Where it is held for longer, the machine was slow.
 */
import { serve } from './harness/serve.ts'
import { StallGauge } from './harness/stall-gauge.ts'

/** Steps that take about half a millisecond. */
const STEPS = 200_000
const REST_MS = 2

const handlers = {
  /** From here on. */
  watchStalls(): void {
    stalls.reset()
    clearTimeout(timer)
    beat()
  },
  /** Milliseconds; it rests from then on. */
  longestStall(): number {
    clearTimeout(timer)
    return stalls.end()
  },
}
export type Pulse = typeof handlers

const stalls = new StallGauge()
let timer: NodeJS.Timeout | undefined
let value = 1

function beat(): void {
  for (let step = 0; step < STEPS; step++) {
    value ^= value << 13
    value ^= value >>> 17
    value ^= value << 5
  }
  timer = setTimeout(beat, REST_MS)
}

serve(handlers)
