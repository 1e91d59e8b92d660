import { familyOf } from '@oneknock/shared'
import { approve, disapprove, whyVoid } from './core/approval.ts'
import { Buckets } from './core/buckets.ts'
import type { AnsweredBy, ApprovedEvent, DisapprovedEvent, KnockEvent } from './core/events.ts'
import type { Circumstances } from './core/judge.ts'
import { JOIN_MS, type KnownKnock, type Outcome } from './core/knocks.ts'
import { failedOutcome, present } from './core/outcomes.ts'
import { newToken, type Pending } from './core/waiting.ts'
import type { GatekeeperParts } from './gatekeeper.ts'
import type { Granting } from './granting.ts'
import type { Approvals, Awaiting } from './listeners/listener.ts'

/**
 * Messages that one user, or somebody at a door in their name, can have sent to one approver at once,
 * and milliseconds in which they earn another: whoever stole a password is not to wear somebody down
 * until they press Approve.
 */
const ASK_BURST = 5
const ASK_REFILL_MS = 60_000

/** What somebody is to be asked, and what their link needs to be an answer. */
export interface Question {
  readonly pending: Awaiting
  /** A secret: whoever has it can say yes. */
  readonly token: string
}

export type ApprovingParts = Pick<
  GatekeeperParts,
  'clock' | 'random' | 'state' | 'directory' | 'record' | 'ask'
>

/** What the gatekeeper lends. */
interface Lent {
  readonly circumstances: (now: number) => Circumstances
  /** Has a shutdown wait for this. */
  readonly follow: (work: Promise<unknown>) => void
}

/** From a knock that waits for somebody's yes to what it comes to. */
export class Approving implements Approvals {
  readonly #parts: ApprovingParts
  readonly #granting: Granting
  readonly #lent: Lent
  readonly #budget = new Buckets(ASK_BURST, ASK_REFILL_MS)
  /** Between a judgement and its message; by their hashes. */
  readonly #tokens = new Map<string, string>()
  /** Those who wait for an answer, by what waits. */
  readonly #waiters = new Map<string, (outcome: Promise<Outcome>) => void>()

  constructor(parts: ApprovingParts, granting: Granting, lent: Lent) {
    this.#parts = parts
    this.#granting = granting
    this.#lent = lent
  }

  /** `undefined`: that approver has been asked too often by the same user, or through the same door. */
  readonly newTokenHash = (approver: string, asker: string): string | undefined => {
    const { random, clock } = this.#parts
    if (!this.#budget.take(`${asker} asks ${approver}`, clock.monotonic())) return undefined
    const { token, hash } = newToken(random)
    this.#tokens.set(hash, token)
    return hash
  }

  /** A device waits for one answer: what it asked before, or what it closes, is asked no longer. */
  makeRoom({ device, verb, services, sentAt, pending }: KnockEvent): void {
    if (!pending && verb !== 'close') return
    for (const old of this.#parts.state.waiting.list()) {
      if (old.device !== device || old.id === pending?.id) continue
      const isClosed =
        old.sentAt < sentAt &&
        (services.length === 0 || old.services.some(name => services.includes(name)))
      if (pending) void this.#settle(disapprove(old, 'superseded'))
      else if (isClosed) void this.#settle(disapprove(old, 'withdrawn'))
    }
  }

  /** Sends the message, if what waits is on record and waits still; nobody waits for the sending. */
  ask({ id, tokenHash }: Pending, durable: boolean): void {
    const { state, directory } = this.#parts
    const token = this.#tokens.get(tokenHash)
    this.#tokens.delete(tokenHash)
    const pending = state.waiting.get(id)
    if (!pending || token === undefined) return
    const why = whyVoid(pending, directory())
    if (!durable) state.waiting.remove(id)
    else if (why) void this.#settle(disapprove(pending, 'void', why))
    else void this.#send(pending, token)
  }

  async #send(pending: Pending, token: string): Promise<void> {
    try {
      await this.#parts.ask({ pending, token })
    } catch (error) {
      if (!this.#parts.state.waiting.get(pending.id)) return
      const said = { error: (error as Error).message }
      await this.#settle(disapprove(pending, 'not-sent', undefined, said))
    }
  }

  /** What becomes of a knock that was pending. */
  async settled(id: string, entry: KnownKnock): Promise<Outcome> {
    if (this.#parts.state.waiting.get(id)) {
      return new Promise(resolve => this.#waiters.set(id, resolve))
    }
    await entry.done
    return entry.outcome
  }

  look(token: string): Awaiting | undefined {
    return this.#parts.state.waiting.find(token)
  }

  async decide(token: string, yes: boolean): Promise<Outcome | undefined> {
    const pending = this.#parts.state.waiting.find(token)
    if (!pending) return undefined
    const { approver, channel } = pending
    return this.#answer(pending, yes, { user: approver, channel })
  }

  /** An administrator's answer on this host; `undefined` if nothing of that id waits. */
  async answer(id: string, yes: boolean): Promise<Outcome | undefined> {
    const { state, clock } = this.#parts
    const asked = state.waiting.get(id)
    // Without a link one can be faster than the disk.
    await (asked && state.knocks.find(asked.device, asked.knock, clock.now())?.done)
    const pending = state.waiting.get(id)
    return pending && this.#answer(pending, yes, { administrator: true })
  }

  /** Ends what was not answered in time by either clock. */
  endExpired(): void {
    for (const pending of this.#parts.state.waiting.expired()) {
      void this.#settle(disapprove(pending, 'timed-out'))
    }
  }

  /** Ends what the directory allows no longer. */
  revise(): void {
    const { state, directory } = this.#parts
    for (const pending of state.waiting.list()) {
      const why = whyVoid(pending, directory())
      if (why) void this.#settle(disapprove(pending, 'void', why))
    }
  }

  #answer(pending: Pending, yes: boolean, by: AnsweredBy): Promise<Outcome> {
    if (!yes) return this.#settle(disapprove(pending, 'denied', undefined, { by }))
    const now = this.#parts.clock.now()
    return this.#settle(approve(pending, by, this.#lent.circumstances(now)))
  }

  /** Takes an answer in, in the tick in which it was given: there is no second one. */
  #settle(event: ApprovedEvent | DisapprovedEvent): Promise<Outcome> {
    const { state, clock } = this.#parts
    const now = clock.now()
    const entry = state.knocks.find(event.device, event.knock, now)
    state.apply(event, now)
    if (entry?.joinable && event.event === 'approved') {
      entry.joinable = { ...entry.joinable, until: clock.monotonic() + JOIN_MS }
    }
    const before = entry?.done
    const told = this.#carryOut(event).then(async failed => {
      if (failed && entry) state.knocks.change(entry, failed)
      await before
      return this.#present(failed ?? entry?.outcome ?? event.outcome)
    })
    if (entry) entry.done = told.then(() => {})
    this.#lent.follow(told)
    this.#waiters.get(event.id)?.(told)
    this.#waiters.delete(event.id)
    return told
  }

  /** On record, then open. The knock's outcome, if it could not be recorded. */
  async #carryOut(event: ApprovedEvent | DisapprovedEvent): Promise<Outcome | undefined> {
    const grant = event.event === 'approved' ? event.grant : undefined
    const durable = await this.#parts.record(event)
    if (durable && grant) await this.#granting.open(grant)
    if (durable) return undefined
    if (grant) await this.#granting.end(grant.id, 'failed')
    return failedOutcome(event.outcome, 'state-unavailable')
  }

  #present(outcome: Outcome): Outcome {
    const { state, clock } = this.#parts
    const family = familyOf(outcome.network.address)
    return present(outcome, state.grants.get(outcome.grant), family, clock.now())
  }
}
