import { flowKey, type LiveElement } from './flows.ts'

/**
 * The flows that were live when somebody last looked, for the day that the table is taken away: some
 * of them can be had from nowhere else. Kept as they were printed, since that day hardly ever comes.
 */
export class Living {
  #read: () => readonly LiveElement[] = () => []
  readonly #cut = new Set<string>()

  /** All that is live from now on. */
  set(read: () => readonly LiveElement[]): void {
    this.#read = read
    this.#cut.clear()
  }

  /** Cut since, so not to be brought back. */
  cut(element: LiveElement): void {
    this.#cut.add(keyOf(element))
  }

  list(): LiveElement[] {
    return this.#read().filter(element => !this.#cut.has(keyOf(element)))
  }
}

const keyOf = ({ zone, flow }: LiveElement): string => `${zone} ${flowKey(flow)}`
