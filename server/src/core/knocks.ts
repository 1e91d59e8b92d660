import type { Knock, Network, Reason, Status } from '@oneknock/shared'

/** How long a finished knock's outcome is still told to its retransmissions and polls. */
export const REMEMBER_MS = 10 * 60_000
/** Knocks remembered for one device; with its bucket, this bounds what a stolen key can fill. */
export const REMEMBER_MAX = 64
/** How long after its first packet a knock may name an address of the other family. */
export const JOIN_MS = 10_000

/** What a packet must agree with to add its address to its knock's grant. */
export interface Joinable {
  readonly ask: string
  readonly grant: string
  /** On the clock that never steps. */
  readonly until: number
}

/** What became of a knock, as the ledger keeps it. */
export interface Outcome {
  readonly status: Status
  readonly reason: Reason
  readonly network: Network
  /** Seconds. */
  readonly lifetime: number
  /** 16 hexadecimal digits; zeros if there is none. */
  readonly grant: string
  readonly detail: string
}

export interface KnownKnock {
  outcome: Outcome
  readonly at: number
  /** Not known any more after a restart: then no address can join. */
  joinable: Joinable | undefined
  /** Settles when all that was begun of it is carried out; never rejects. */
  done: Promise<void>
}

/** What a checkpoint holds of it. */
export type KnocksRecord = Readonly<
  Record<
    string,
    readonly { readonly knock: string; readonly at: number; readonly outcome: Outcome }[]
  >
>

const DONE = Promise.resolve()

/** All but the address and the time: packets of one knock agree in it. */
export const askOf = ({ verb, factor, services, lifetime }: Knock): string =>
  JSON.stringify([verb, factor.kind, factor.code, services, lifetime])

/** The knocks in flight, and those finished lately: one knock is one act, however many packets. */
export class Knocks {
  readonly #devices = new Map<string, Map<string, KnownKnock>>()

  find(device: string, knock: string, nowMs: number): KnownKnock | undefined {
    const known = this.#devices.get(device)?.get(knock)
    return known && nowMs - known.at <= REMEMBER_MS ? known : undefined
  }

  /** Remembers what became of a knock; of one that is known already, what has become of it since. */
  put(device: string, knock: string, outcome: Outcome, at: number): void {
    const known = this.find(device, knock, at)
    if (known) {
      known.outcome = outcome
      return
    }
    let knocks = this.#devices.get(device)
    if (!knocks) {
      knocks = new Map()
      this.#devices.set(device, knocks)
    }
    knocks.delete(knock)
    knocks.set(knock, { outcome, at, joinable: undefined, done: DONE })
    if (knocks.size > REMEMBER_MAX) knocks.delete(knocks.keys().next().value!)
  }

  /** Changes the outcome of the knocks that led to this grant. */
  amend(device: string, grant: string, outcome: (before: Outcome) => Outcome): void {
    for (const known of this.#devices.get(device)?.values() ?? []) {
      if (known.outcome.grant === grant) known.outcome = outcome(known.outcome)
    }
  }

  forget(nowMs: number): void {
    for (const [device, knocks] of this.#devices) {
      for (const [id, known] of knocks) if (nowMs - known.at > REMEMBER_MS) knocks.delete(id)
      if (knocks.size === 0) this.#devices.delete(device)
    }
  }

  record(): KnocksRecord {
    return Object.fromEntries(
      [...this.#devices].map(([device, knocks]) => [
        device,
        [...knocks].map(([knock, { at, outcome }]) => ({ knock, at, outcome })),
      ]),
    )
  }

  restore(record: KnocksRecord): void {
    for (const [device, knocks] of Object.entries(record)) {
      for (const { knock, at, outcome } of knocks) this.put(device, knock, outcome, at)
    }
  }
}
