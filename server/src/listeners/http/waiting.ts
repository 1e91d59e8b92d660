import { toBase64Url } from '@oneknock/shared'
import type { Clock } from '../../core/clock.ts'
import type { Outcome } from '../../core/knocks.ts'
import { WAITING_MAX } from './limits.ts'
import { type Told, tell } from './words.ts'

/** Nobody guesses one, and whoever did would read what opened for somebody else. */
const TICKET_BYTES = 16

/**
 * What somebody's yes is waited for, by a ticket that the page asks with again: a browser that is put
 * aside for the message on the same phone comes back to it. Each has cost a right code; the oldest go.
 */
export class Waiting {
  readonly #told = new Map<string, Told>()
  readonly #clock: Clock
  readonly #random: (bytes: number) => Uint8Array

  constructor(clock: Clock, random: (bytes: number) => Uint8Array) {
    this.#clock = clock
    this.#random = random
  }

  add(pending: Outcome, settled: Promise<Outcome>): string {
    const ticket = toBase64Url(this.#random(TICKET_BYTES))
    this.#told.set(ticket, tell(pending, this.#clock.now()))
    if (this.#told.size > WAITING_MAX) this.#told.delete(this.#told.keys().next().value!)
    void settled.then(outcome => {
      if (this.#told.has(ticket)) this.#told.set(ticket, tell(outcome, this.#clock.now()))
    })
    return ticket
  }

  /** As it stands; `undefined` if there is no such ticket. */
  look(ticket: string): Told | undefined {
    return this.#told.get(ticket)
  }
}
