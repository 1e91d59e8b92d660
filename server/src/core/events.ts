import type { FactorKind, Reason, Verb } from '@oneknock/shared'
import type { Burn } from './factors.ts'
import type { EndedWhy, Grant } from './grants.ts'
import type { Outcome } from './knocks.ts'
import type { Pending } from './waiting.ts'

/**
 * What the ledger records, and what the daemon's memory is rebuilt from. No code and no key is ever
 * in one. Times are milliseconds since the Unix epoch, on the line that carries the event.
 */
export type Event =
  | KnockEvent
  | SeenEvent
  | FailedEvent
  | NarrowedEvent
  | ApprovedEvent
  | DisapprovedEvent
  | EndingEvent
  | EndedEvent
  | CutEvent
  | UnlockedEvent
  | NoteEvent

/** A knock was judged; or a later packet of it added its other family. One line says it all. */
export interface KnockEvent {
  readonly event: 'knock'
  /** Hexadecimal; what makes a replay one. Empty for a knock without a packet. */
  readonly tag: string
  /** `user/label`; `user/@door` for a knock without a packet. */
  readonly device: string
  readonly user: string
  readonly enrolledAt: number
  readonly sentAt: number
  readonly knock: string
  /** `verify`: only the code was looked at. */
  readonly verb: Verb | 'verify'
  /** The address that the packet came from. */
  readonly source: string
  readonly services: readonly string[]
  readonly factor: FactorKind
  readonly burnt?: Burn | undefined
  readonly outcome: Outcome
  /** The grant as it is now; absent if nothing is granted. */
  readonly grant?: Grant | undefined
  /** What waits for somebody's yes, instead of a grant. */
  readonly pending?: Pending
  /** How often the user came from there before, for a service whose lifetime grows with it. */
  readonly visits?: number | undefined
  /** Earlier grants that a close ends. */
  readonly ended?: readonly string[]
  /** What such grants leave open of services that were not named, as grants of their own. */
  readonly left?: readonly Grant[]
}

/** One more packet of a knock that is known: a retransmission or a poll. */
export interface SeenEvent {
  readonly event: 'seen'
  readonly tag: string
  readonly device: string
  readonly sentAt: number
  /** What it was answered; it differs from its knock's if the other address it names was refused. */
  readonly reason: Reason
}

/** A hook could not open: the grant is rolled back, and the knock refused. */
export interface FailedEvent {
  readonly event: 'failed'
  readonly grant: string
  readonly device: string
  readonly service: string
  readonly error: string
}

/** A hook could not open an address that had joined: the grant is what it was before. */
export interface NarrowedEvent {
  readonly event: 'narrowed'
  readonly grant: Grant
  readonly error: string
}

/** Who answered: whoever had the link that was sent to that user, or an administrator on this host. */
export type AnsweredBy =
  | { readonly user: string; readonly channel: string }
  | { readonly administrator: true }

/** Somebody said yes to what waited. */
export interface ApprovedEvent {
  readonly event: 'approved'
  /** Of what waited; its grant's too. */
  readonly id: string
  readonly user: string
  readonly device: string
  readonly knock: string
  readonly by: AnsweredBy
  /** What the knock has come to. */
  readonly outcome: Outcome
  /** Absent if only a code was to be looked at. */
  readonly grant?: Grant
  /** As in a knock that opens at once. */
  readonly visits?: number | undefined
}

/**
 * What waited will not be opened. `not-sent`: nobody could be asked. `superseded`: its device asks anew.
 * `withdrawn`: its device closed. `void`: the directory allows it no longer.
 */
export type DisapprovedWhy =
  | 'denied'
  | 'timed-out'
  | 'not-sent'
  | 'superseded'
  | 'withdrawn'
  | 'void'

export interface DisapprovedEvent {
  readonly event: 'disapproved'
  readonly id: string
  readonly user: string
  readonly device: string
  readonly knock: string
  readonly why: DisapprovedWhy
  /** Absent if nobody answered. */
  readonly by?: AnsweredBy
  /** Why nobody could be asked. */
  readonly error?: string
  readonly outcome: Outcome
}

/**
 * Somebody's access was taken away, by an administrator or because the directory allows it no longer.
 * On record before all is closed: a crash in between must not bring it back.
 */
export interface EndingEvent {
  readonly event: 'ending'
  readonly grant: string
  readonly user: string
  readonly why: EndedWhy
  /** What stays of it, as a grant of its own. */
  readonly left?: Grant
}

/** A grant has ended, and what it opened is closed. */
export interface EndedEvent {
  readonly event: 'ended'
  readonly grant: string
  readonly user: string
  readonly why: EndedWhy
  /** The grant that it was folded into. */
  readonly by?: string
}

/** What came in by a grant that is over, and may come in no longer, is cut. */
export interface CutEvent {
  readonly event: 'cut'
  readonly grant: string
  readonly user: string
  readonly services: readonly string[]
}

/** An administrator lifted a user's locks. */
export interface UnlockedEvent {
  readonly event: 'unlocked'
  readonly user: string
}

/** What changes no memory but belongs into the trail. */
export interface NoteEvent {
  readonly event: 'note'
  readonly what:
    | 'started'
    | 'stopped'
    | 'reloaded'
    | 'guard-lost'
    | 'guard-restored'
    | 'guard-on-trial'
    | 'guard-let-go'
  readonly detail?: string
}
