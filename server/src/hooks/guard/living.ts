import type { Cuts } from './cuts.ts'
import { CUT_MS, type FlowElement, type Flows, flowKey } from './flows.ts'

const NOBODY: Flows = { live: [], cut: [] }

/**
 * The flows that were live when somebody last looked, and those that were cut, for the day that the
 * table is taken away: some of them can be had from nowhere else. Kept as they were printed, since
 * that day hardly ever comes.
 */
export class Living {
  #read: () => Flows = () => NOBODY
  readonly #gone = new Map<string, FlowElement>()
  #cuts: Cuts[] = []

  /** All that is live and cut from now on. */
  set(read: () => Flows): void {
    this.#read = read
    this.#gone.clear()
  }

  /** What was carried out since, whoever was live: nothing of it is to be brought back. */
  cut(cuts: Cuts, elements: readonly FlowElement[]): void {
    this.#cuts.push(cuts)
    for (const element of elements)
      this.#gone.set(keyOf(element), { ...element, remaining: CUT_MS })
  }

  /** Nobody is brought back any more by a door that was open before a cut. */
  restartCuts(): void {
    this.#cuts = []
  }

  /** Whether one of the cuts since then ends this flow. */
  ends(zone: string, flow: FlowElement['flow']): boolean {
    return this.#cuts.some(cuts => cuts.find(zone, flow) !== undefined)
  }

  list(): Flows {
    const { live, cut } = this.#read()
    return {
      live: live.filter(element => !this.#gone.has(keyOf(element))),
      cut: [...cut, ...this.#gone.values()],
    }
  }
}

/** Live flows that were not cut: of what both sets name, the cut counts. */
export function withoutCut({ live, cut }: Flows): FlowElement[] {
  const out = new Set(cut.map(keyOf))
  return live.filter(element => !out.has(keyOf(element)))
}

const keyOf = ({ zone, flow }: FlowElement): string => `${zone} ${flowKey(flow)}`
