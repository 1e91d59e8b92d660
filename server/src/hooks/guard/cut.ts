import { contains } from '@oneknock/shared'
import type { Report } from './events.ts'
import type { Flow } from './flows.ts'
import { type Cut, resetSockets } from './reset.ts'
import type { GuardTable } from './table.ts'
import { isHere, samePort } from './zones.ts'

/** Cuts at once: together they cost one listing, and their filter fits in an argument of `ss`. */
const BATCH_MAX = 100

interface Job {
  readonly cut: Cut
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Ends flows: forgets them, so that the guard drops what comes next, and resets local sockets. */
export class Cutter {
  readonly #table: GuardTable
  readonly #report: Report
  readonly #waiting: Job[] = []
  #working = false

  constructor(table: GuardTable, report: Report) {
    this.#table = table
    this.#report = report
  }

  cut(cut: Cut): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ cut, resolve, reject })
      if (!this.#working) void this.#workOff()
    })
  }

  async #workOff(): Promise<void> {
    this.#working = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_MAX)
      try {
        await this.#carryOut(batch.map(({ cut }) => cut))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#working = false
  }

  async #carryOut(cuts: readonly Cut[]): Promise<void> {
    await this.#table.forget(
      ({ zone: name, flow }) => cuts.find(cut => cut.zone.name === name && ends(cut, flow))?.zone,
    )
    const message = await resetSockets(cuts.filter(({ zone }) => isHere(zone)))
    if (message) this.#report({ kind: 'sockets-kept', message })
  }
}

const ends = ({ network, ports }: Cut, flow: Flow): boolean =>
  ports.some(
    ({ port, except }) =>
      samePort(port, flow) &&
      contains(network, flow.address) &&
      !except.some(other => contains(other, flow.address)),
  )
