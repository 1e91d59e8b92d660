import type { Knock, Network, Reason, Status } from '@oneknock/shared'
import { membersOf, type Recorded } from './recorded.ts'
import { SteadyMap } from './steady.ts'

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

/** One for all who wait for it. */
export interface KnownKnock {
  readonly device: string
  /** `Knocks` alone changes it. */
  readonly outcome: Outcome
  /** Not known any more after a restart: then no address can join. */
  joinable: Joinable | undefined
  /** Settles when all that was begun of it is carried out; never rejects. */
  done: Promise<void>
}

interface Remembered {
  readonly knock: string
  readonly at: number
  readonly outcome: Outcome
}

/** What a checkpoint holds of it. */
export type KnocksRecord = Readonly<Record<string, readonly Remembered[]>>

/** Never changes, so that checkpoints can share it: when the outcome does, another takes its place. */
interface Kept extends Remembered {
  readonly known: KnownKnock
}

const NOTHING: readonly Kept[] = []

const DONE = Promise.resolve()

const isOver = ({ at }: Remembered, nowMs: number): boolean => nowMs - at > REMEMBER_MS

/** All but the address and the time: packets of one knock agree in it. */
export const askOf = ({ verb, factor, services, lifetime }: Knock): string =>
  JSON.stringify([verb, factor.kind, factor.code, services, lifetime])

/** The knocks in flight, and those finished lately: one knock is one act, however many packets. */
export class Knocks {
  /** The oldest first. */
  readonly #devices = new SteadyMap<readonly Kept[]>()

  find(device: string, knock: string, nowMs: number): KnownKnock | undefined {
    const kept = this.#of(device).find(one => one.knock === knock)
    return kept && !isOver(kept, nowMs) ? kept.known : undefined
  }

  /** Remembers what became of a knock; of one that is known already, what has become of it since. */
  put(device: string, knock: string, outcome: Outcome, at: number): void {
    const kept = this.#of(device)
    const before = kept.find(one => one.knock === knock)
    if (before && !isOver(before, at)) {
      this.change(before.known, outcome)
      return
    }
    const known: KnownKnock = { device, outcome, joinable: undefined, done: DONE }
    const others = before ? kept.filter(one => one !== before) : kept
    const latest = [...others.slice(1 - REMEMBER_MAX), { knock, at, outcome, known }]
    this.#devices.set(device, latest)
  }

  /** Tells whoever waits for it, though it be forgotten here by now. */
  change(known: KnownKnock, outcome: Outcome): void {
    const { device } = known
    const changing: { -readonly [K in keyof KnownKnock]: KnownKnock[K] } = known
    changing.outcome = outcome
    const kept = this.#of(device)
    const place = kept.findIndex(one => one.known === known)
    if (place >= 0) this.#devices.set(device, kept.with(place, { ...kept[place]!, outcome }))
  }

  /** Changes the outcome of the knocks that led to this grant. */
  amend(device: string, grant: string, outcome: (before: Outcome) => Outcome): void {
    for (const { known } of this.#of(device)) {
      if (known.outcome.grant === grant) this.change(known, outcome(known.outcome))
    }
  }

  forget(nowMs: number): void {
    for (const [device, kept] of this.#devices) {
      if (!kept.some(one => isOver(one, nowMs))) continue
      const left = kept.filter(one => !isOver(one, nowMs))
      if (left.length === 0) this.#devices.delete(device)
      else this.#devices.set(device, left)
    }
  }

  record(): Recorded<KnocksRecord> {
    return membersOf(this.#devices, kept =>
      kept.map(({ knock, at, outcome }) => ({ knock, at, outcome })),
    )
  }

  restore(record: KnocksRecord): void {
    for (const [device, knocks] of Object.entries(record)) {
      for (const { knock, at, outcome } of knocks) this.put(device, knock, outcome, at)
    }
  }

  #of(device: string): readonly Kept[] {
    return this.#devices.get(device) ?? NOTHING
  }
}
