import type { Child } from '../harness/children.ts'
import type { Figure } from '../harness/figures.ts'
import type { Knocker } from '../knocker.ts'
import type { Range, Shot } from '../knocking/shot.ts'

/** One measurement, or several that share their set-up. */
export interface Scenario {
  /** The rows of the table of targets that it fills. */
  readonly rows: readonly number[]
  readonly title: string
  /** Why it cannot run on this machine, in a few words; `undefined` if it can. */
  readonly lacks?: () => string | undefined
  run(context: Context): Promise<readonly Figure[]>
}

export interface Context {
  /** A folder of this scenario's own. */
  readonly folder: string
  /** Longer runs, and more of them. */
  readonly full: boolean
  /** A part that cannot run on this machine, and why. */
  skip(what: string, why: string): void
  /** What can be drawn besides the figures. */
  plot(name: PlotName, series: PlotSeries): void
}

/** One picture each. */
export type PlotName = 'junk' | 'latency' | 'under-junk'
/** Single measurements, by what they are of. */
export type PlotSeries = Readonly<Record<string, readonly number[]>>

/** A server with a door, and someone to knock at it, whichever programs they are. */
export interface Ground extends Range {
  readonly knocker: Child<Knocker>
  /** Packets that open it, each for an address of its own. */
  shots(from: number, to: number): Shot[]
  stop(): Promise<void>
}
