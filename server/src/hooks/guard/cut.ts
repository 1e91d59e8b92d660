import { type Cut, Cuts } from './cuts.ts'
import type { Report } from './events.ts'
import { resetSockets } from './reset.ts'
import type { GuardTable } from './table.ts'

interface Job {
  readonly plan: () => Cut
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Ends flows: forgets them, so that the guard drops what comes next, and resets local sockets. */
export class Cutter {
  readonly #table: GuardTable
  readonly #report: Report
  #waiting: Job[] = []
  #working = false

  constructor(table: GuardTable, report: Report) {
    this.#table = table
    this.#report = report
  }

  /** `plan` is asked when its turn comes: by then others may be admitted whose flows are to stay. */
  cut(plan: () => Cut): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ plan, resolve, reject })
      if (!this.#working) void this.#workOff()
    })
  }

  async #workOff(): Promise<void> {
    this.#working = true
    // What is asked for in the same turn goes together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      // However many end together: they cost one listing.
      const batch = this.#waiting
      this.#waiting = []
      try {
        await this.#carryOut(batch.map(({ plan }) => plan()))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#working = false
  }

  async #carryOut(planned: readonly Cut[]): Promise<void> {
    const cuts = new Cuts(planned)
    await this.#table.forget(cuts)
    const message = await resetSockets(cuts)
    if (message) this.#report({ kind: 'sockets-kept', message })
  }
}
