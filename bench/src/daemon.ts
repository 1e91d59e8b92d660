/** The daemon itself, with gauges: `run`, as the command does, and what it costs. */
import { setTimeout as pause } from 'node:timers/promises'
import { EPOCH_MS } from '@oneknock/shared'
import { run } from '../../server/src/commands/run.ts'
import { HintTable } from '../../server/src/core/hints.ts'
import type { Counted, Counters } from '../../server/src/counters.ts'
import { serve } from './harness/serve.ts'
import { StallGauge } from './harness/stall-gauge.ts'
import { type Usage, usage } from './harness/usage.ts'

const [config = ''] = process.argv.slice(2)

const LOOKS = 8
const LOOK_MS = 100

const handlers = {
  usage: (): Usage => usage(),
  /** What it has counted and what that has cost, at one moment; its own socket would take its time. */
  counted: (): Counts => ({ ...usage(), packets: counters!.read() }),
  /** Bytes, as it stands. */
  resident: (): number => process.memoryUsage.rss(),
  /** Bytes that stay in use: what the last packets have left goes within some collections. */
  async held(): Promise<number> {
    let least = Number.POSITIVE_INFINITY
    for (let look = 0; look < LOOKS; look++) {
      await pause(LOOK_MS)
      globalThis.gc?.()
      const { heapUsed, external } = process.memoryUsage()
      least = Math.min(least, heapUsed + external)
    }
    return least
  },
  /** Sets the clock forward to the minute's turn; until the hints are made that this asks for. */
  turnMinute(): Promise<void> {
    const { now } = Date
    const aheadMs = EPOCH_MS - (now() % EPOCH_MS)
    Date.now = () => now() + aheadMs
    return new Promise(resolve => {
      hintsMade = resolve
    })
  },
  /** What a start has left to collect: it belongs to no minute's turn. */
  collect(): void {
    globalThis.gc?.()
  },
  /** From here on. */
  watchStalls: (): void => stalls.reset(),
  /** Milliseconds, up to here. */
  longestStall: (): number => stalls.end(),
}
export type Daemon = typeof handlers

export interface Counts extends Usage {
  readonly packets: Readonly<Record<Counted, number>>
}

let counters: Counters | undefined
const stalls = new StallGauge()
let hintsMade = () => {}
const { prepare } = HintTable.prototype
HintTable.prototype.prepare = function (nowMs, count) {
  const more = prepare.call(this, nowMs, count)
  if (!more) hintsMade()
  return more
}

serve(handlers)
process.exitCode = await run({
  config,
  ready(daemon) {
    counters = daemon.counters
  },
})
process.disconnect?.()
