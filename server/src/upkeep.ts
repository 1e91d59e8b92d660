import type { Clock } from './core/clock.ts'
import type { Keyring } from './core/keyring.ts'
import type { State } from './core/state.ts'
import type { Counters } from './counters.ts'
import type { Gatekeeper } from './gatekeeper.ts'
import type { Log } from './log.ts'

/** Steps of the clock, and grants that end, are noticed within this. */
const TICK_MS = 1000
/** Hints computed in one go: about half a millisecond, and a few where the machine is slow for once. */
const HINT_SLICE = 500
/** Between two goes, so that packets come first even with many devices. */
const HINT_PAUSE_MS = 2
/** Old packets are forgotten this often. */
const FORGET_TICKS = 10
/** Strangers' packets fill at most one line of the log in this time, however many they are. */
const SUMMARY_TICKS = 60

export interface UpkeepParts {
  readonly clock: Clock
  readonly keyring: Keyring
  readonly state: State
  readonly gatekeeper: Gatekeeper
  readonly counters: Counters
  readonly log: Log
}

/** What has to happen without anybody knocking: hints ahead of time, ends on time, forgetting, one line. */
export class Upkeep {
  readonly #parts: UpkeepParts
  #interval: NodeJS.Timeout | undefined
  /** For the next slice of hints, while there is one. */
  #slice: NodeJS.Timeout | undefined
  /** For the next grant that ends before the next tick. */
  #end: NodeJS.Timeout | undefined
  #ticks = 0
  #summed = 0

  constructor(parts: UpkeepParts) {
    this.#parts = parts
  }

  start(): void {
    this.#interval = setInterval(() => this.#tick(), TICK_MS)
    // To start hooks may have taken longer than some grants still had.
    this.#endExpired()
    this.#prepareHints()
  }

  stop(): void {
    clearInterval(this.#interval)
    clearTimeout(this.#slice)
    clearTimeout(this.#end)
    this.#summary()
  }

  #tick(): void {
    const { clock, state } = this.#parts
    this.#ticks++
    this.#endExpired()
    if (!this.#slice) this.#prepareHints()
    if (this.#ticks % FORGET_TICKS === 0) state.forget(clock.now())
    if (this.#ticks % SUMMARY_TICKS === 0) this.#summary()
  }

  /** What ends before the next tick is ended to the millisecond. */
  #endExpired(): void {
    const { state, gatekeeper } = this.#parts
    gatekeeper.endExpired()
    const next = state.grants.nextEnd()
    clearTimeout(this.#end)
    if (next < TICK_MS) this.#end = setTimeout(() => this.#endExpired(), next)
  }

  #prepareHints(): void {
    const { clock, keyring } = this.#parts
    const more = keyring.hints.prepare(clock.now(), HINT_SLICE)
    this.#slice = more ? setTimeout(() => this.#prepareHints(), HINT_PAUSE_MS) : undefined
  }

  #summary(): void {
    const { counters, log } = this.#parts
    const counts = Object.entries(counters.read()).filter(([, count]) => count > 0)
    const sum = counts.reduce((total, [, count]) => total + count, 0)
    if (sum === this.#summed) return
    this.#summed = sum
    log.info(Object.fromEntries(counts), 'packets since the start')
  }
}
