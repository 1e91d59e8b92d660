/** The daemon itself, with gauges: `run`, as the command does, and what it costs. */
import { EPOCH_MS } from '@oneknock/shared'
import { run } from '../../server/src/commands/run.ts'
import { serve } from './harness/serve.ts'
import { StallGauge } from './harness/stall-gauge.ts'
import { type Usage, usage } from './harness/usage.ts'

const [config = ''] = process.argv.slice(2)

const handlers = {
  usage: (): Usage => usage(),
  /** Bytes, as it stands. */
  resident: (): number => process.memoryUsage.rss(),
  /** Bytes that are in use, after a collection. */
  held(): number {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  },
  /** Sets the clock forward: one millisecond later the minute turns. */
  toNextMinute(): void {
    const { now } = Date
    const aheadMs = EPOCH_MS - (now() % EPOCH_MS) - 1
    Date.now = () => now() + aheadMs
  },
  /** From here on, without what the start has left to collect. */
  watchStalls(): void {
    globalThis.gc?.()
    stalls.reset()
  },
  /** Milliseconds. */
  longestStall: (): number => stalls.longest,
}
export type Daemon = typeof handlers

const stalls = new StallGauge()

serve(handlers)
process.exitCode = await run({ config })
process.disconnect?.()
