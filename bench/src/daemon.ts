/** The daemon itself, with gauges: `run`, as the command does, and what it costs. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { EPOCH_MS } from '@oneknock/shared'
import { run } from '../../server/src/commands/run.ts'
import { serve } from './harness/serve.ts'
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
  watchStalls(): void {
    delay.enable()
    delay.reset()
  },
  stalls: (): { longest: number } => ({ longest: delay.max / 1e6 - LOOK_MS }),
}
export type Daemon = typeof handlers

/** Milliseconds between two looks at the loop; the gauge counts them in. */
const LOOK_MS = 1
const delay = monitorEventLoopDelay({ resolution: LOOK_MS })

serve(handlers)
process.exitCode = await run({ config })
process.disconnect?.()
