import {
  type Address,
  type Family,
  familyOf,
  KNOCK_ID_BYTES,
  NONCE_BYTES,
  parseAddress,
  type ReplyKeys,
  type ReplyTag,
  sealReply,
  tagOf,
  toHex,
} from '@oneknock/shared'
import { Approving, type Question } from './approving.ts'
import { Buckets } from './core/buckets.ts'
import { judgeClaim } from './core/claims.ts'
import type { Clock } from './core/clock.ts'
import type { Directory } from './core/directory.ts'
import { doorDevice } from './core/doors.ts'
import type { Event, KnockEvent } from './core/events.ts'
import type { Validation } from './core/factors.ts'
import type { EndedWhy, Grant } from './core/grants.ts'
import { type Circumstances, type Heard, join, judge, refused } from './core/judge.ts'
import type { Keyring } from './core/keyring.ts'
import { askOf, JOIN_MS, type KnownKnock, type Outcome } from './core/knocks.ts'
import { claimOtp, isStill, packetOtp } from './core/online.ts'
import { failedOutcome, familyAsked, mayJoin, present } from './core/outcomes.ts'
import type { Host } from './core/policy.ts'
import type { State } from './core/state.ts'
import { authenticate, type Freshness, type SilentStage, stopsAtOnce } from './core/verify.ts'
import type { Counters } from './counters.ts'
import type { Doors } from './doors.ts'
import { GRANT_ID_BYTES, Granting, type StartHooks } from './granting.ts'
import type { Hook } from './hooks/hook.ts'
import {
  type Attempt,
  type CredentialAttempt,
  type Judge,
  type PacketAttempt,
  SILENCE,
  type Silence,
  type Verdict,
} from './listeners/listener.ts'
import { type Validate, Validating } from './validating.ts'

/** Makes an event durable. False: it is not, and nothing may be opened or answered on its strength. */
export type Record = (event: Event, options?: { readonly refusal?: boolean }) => Promise<boolean>

export interface GatekeeperParts {
  readonly clock: Clock
  /** That many bytes from a cryptographic source. */
  readonly random: (bytes: number) => Uint8Array
  readonly keyring: Keyring
  readonly state: State
  readonly directory: () => Directory
  readonly host: Host
  readonly record: Record
  readonly doors: Doors
  readonly counters: Counters
  /** Sends somebody a question and the link to answer it; rejects with an error that tells no secret. */
  readonly ask: (question: Question) => Promise<void>
  readonly freshnessMs: number
  /** Absent: the protocol's own. */
  readonly replyTag?: ReplyTag
  /** Absent: nobody has a token that a validation server must be asked about. */
  readonly validate?: Validate
}

/** The whole way of a knock (DESIGN 4). What comes before the first `await` is one synchronous run. */
export class Gatekeeper {
  readonly #parts: GatekeeperParts
  readonly #buckets = new Buckets()
  readonly #freshness: Freshness
  readonly #granting: Granting
  readonly #validating: Validating<KnownKnock>
  readonly approvals: Approving
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(parts: GatekeeperParts) {
    this.#parts = parts
    this.#granting = new Granting(parts)
    this.approvals = new Approving(parts, this.#granting, {
      circumstances: now => this.#circumstances(now),
      follow: work => this.#follow(work),
    })
    this.#validating = new Validating(parts.validate, outcome =>
      parts.counters.countValidation(outcome),
    )
    this.#freshness = {
      windowMs: parts.freshnessMs,
      floor: device => parts.state.replay.floor(device),
    }
  }

  readonly judge: Judge = (attempt: Attempt) =>
    'datagram' in attempt ? this.#packet(attempt) : this.#claim(attempt)

  #packet(attempt: PacketAttempt): Silence | Promise<Verdict> {
    const { clock, keyring, state, counters } = this.#parts
    const stopped = stopsAtOnce(attempt.datagram, keyring)
    if (stopped !== undefined) return this.#silence(stopped)
    const now = clock.now()
    const authentic = authenticate(attempt.datagram, keyring, now, this.#freshness) // steps 1–5
    if (typeof authentic === 'string') return this.#silence(authentic)

    const source = addressOf(attempt)
    if (!source) return this.#silence('malformed')
    const { device, keys, knock } = authentic
    // Of a Node Buffer, `slice` would be a view, and keep the datagram.
    const tag = new Uint8Array(tagOf(attempt.datagram))
    if (state.replay.has(tag, knock.sentAt)) return this.#silence('replay') // step 6
    if (!this.#buckets.take(device.id, clock.monotonic())) return this.#silence('rate')
    state.replay.add(tag, device.id, knock.sentAt)

    const heard: Heard = { device, knock, tag, source }
    const known = state.knocks.find(device.id, knock.knockId, now) // step 7
    const waiting = known ?? this.#validating.find(device.id, knock.knockId)
    if (waiting) {
      counters.count('again')
      return Promise.resolve(waiting).then(first => this.#again(heard, keys, first))
    }
    const circumstances = this.#circumstances(now)
    const otp = packetOtp(heard, circumstances)
    if (otp !== undefined) return this.#packetOnline(heard, keys, otp)
    return this.#told(heard, keys, this.#judge(heard, circumstances)) // steps 8–12
  }

  /** The same for an OTP that others must look at first: then comes one synchronous run all the same. */
  #packetOnline(heard: Heard, keys: ReplyKeys, otp: string): Promise<Verdict> {
    const { device, knock } = heard
    const judged = this.#validating.begin(device.id, knock.knockId, otp, validation =>
      this.#judge(heard, this.#circumstances(this.#parts.clock.now(), validation)),
    )
    this.#follow(judged)
    return judged.then(entry => this.#told(heard, keys, entry))
  }

  /** Steps 8 and 9, and what is begun on their strength. */
  #judge(heard: Heard, circumstances: Circumstances): KnownKnock {
    const isGone = circumstances.validation !== undefined && !isStill(heard.device, circumstances)
    const event = isGone ? refused(heard, 'locked', '') : judge(heard, circumstances)
    const entry = this.#begin(event, circumstances.now)
    // Of what waits for a yes, addresses join once it is there.
    const until = event.pending ? Number.NEGATIVE_INFINITY : this.#parts.clock.monotonic() + JOIN_MS
    const grant = event.grant?.id ?? event.pending?.id
    if (grant) entry.joinable = { ask: askOf(heard.knock), grant, until }
    return entry
  }

  async #told(heard: Heard, keys: ReplyKeys, entry: KnownKnock): Promise<Verdict> {
    await entry.done
    return this.#answer(heard, keys, this.#presentTo(heard, entry))
  }

  /** Steps 8 to 12 for someone without a key, whose door vouches for the address. */
  async #claim(claim: CredentialAttempt): Promise<Verdict> {
    const { clock, random, counters } = this.#parts
    const source = addressOf(claim)
    if (!source) return SILENCE
    const asked = this.#circumstances(clock.now())
    const otp = claimOtp(claim, asked)
    const validation = otp === undefined ? undefined : await this.#validate(claim, otp)
    const now = clock.now()
    const knockId = toHex(random(KNOCK_ID_BYTES))
    const circumstances = this.#circumstances(now, validation)
    const event = judgeClaim({ ...claim, source, knockId }, circumstances)
    counters.countDoor(claim.door, ('event' in event ? event.outcome : event).status)
    if (!('event' in event)) {
      counters.count(event.status)
      return { kind: 'answer', outcome: event }
    }
    const entry = this.#begin(event, now)
    await entry.done
    const outcome = this.#present(entry, familyOf(source))
    if (!event.pending) return { kind: 'answer', outcome }
    return { kind: 'answer', outcome, settled: this.approvals.settled(event.pending.id, entry) }
  }

  #validate({ user, door }: CredentialAttempt, otp: string): Promise<Validation> {
    const asking = this.#validating.ask(doorDevice(user, door), otp)
    this.#follow(asking)
    return asking
  }

  /** Takes a judgement into the state, in the tick in which it was made, and carries it out. */
  #begin(event: KnockEvent, now: number): KnownKnock {
    const { state, counters } = this.#parts
    state.apply(event, now)
    counters.count(event.outcome.status)
    const entry = state.knocks.find(event.device, event.knock, now)!
    entry.done = this.#carryOut(event, entry)
    this.#follow(entry.done)
    this.approvals.makeRoom(event)
    return entry
  }

  #follow(work: Promise<unknown>): void {
    this.#underWay.add(work)
    void work.then(() => this.#underWay.delete(work))
  }

  /** Steps 10 and 11: on record, then open. What becomes of it stands in the knock's outcome. */
  async #carryOut(event: KnockEvent, entry: KnownKnock): Promise<void> {
    const { state, record } = this.#parts
    const { grant, pending, left = [], ended = [] } = event
    const replaces = ended.length > 0 || left.length > 0
    const durable = await record(event, { refusal: mayBeLeftOut(event) })
    if (!durable) {
      state.knocks.change(entry, failedOutcome(entry.outcome, 'state-unavailable'))
      if (grant) await this.end(grant.id, 'failed')
    }
    // What was to be closed is closed all the same: a door too many shut harms nobody.
    const fault = replaces && (await this.#granting.replace(ended, left, durable))
    if (fault && durable) state.knocks.change(entry, failedOutcome(entry.outcome, 'hook-failed'))
    if (grant && durable) await this.#granting.open(grant)
    if (pending) this.approvals.ask(pending, durable)
  }

  /** A further packet of a known knock adds its address, or is told what became of the knock. */
  async #again(heard: Heard, keys: ReplyKeys, known: KnownKnock): Promise<Verdict> {
    const { state, record, clock } = this.#parts
    let waited: unknown
    while (waited !== known.done) {
      waited = known.done
      await waited
    }
    const grant = state.grants.get(known.outcome.grant)
    let outcome = this.#presentTo(heard, known)
    if (grant && mayJoin(heard, known, grant, clock.monotonic())) {
      const event = join(heard, grant, this.#circumstances(clock.now()))
      if (event.grant) {
        const joined = this.#join(event, event.grant, grant)
        known.done = joined.then(() => {})
        this.#follow(known.done)
        const failure = await joined
        const now = this.#presentTo(heard, known)
        return this.#answer(heard, keys, failure ? failedOutcome(event.outcome, failure) : now)
      }
      outcome = event.outcome
    }
    const { device, knock } = heard
    const { reason, status } = outcome
    const tag = toHex(heard.tag)
    const seen = { event: 'seen', tag, device: device.id, sentAt: knock.sentAt, reason } as const
    state.apply(seen, clock.now())
    const durable = await record(seen, { refusal: status === 'refused' })
    const told = durable ? outcome : failedOutcome(outcome, 'state-unavailable')
    return this.#answer(heard, keys, told)
  }

  /** Steps 9 to 11 for an address of the other family; what fails leaves the grant as it was. */
  async #join(event: KnockEvent, grant: Grant, before: Grant) {
    const { state, clock, record } = this.#parts
    state.apply(event, clock.now())
    const durable = await record(event)
    return this.#granting.widen(grant, before, durable)
  }

  /** Ends a live grant at once; resolves when its hooks have been asked to close. */
  end(id: string, why: EndedWhy): Promise<void> {
    return this.#granting.end(id, why)
  }

  /** Ends what is over by either clock. */
  endExpired(): void {
    this.#granting.endExpired()
    this.approvals.endExpired()
  }

  /** Ends what the directory allows no longer, and its connections with it; resolves when that was tried. */
  async revise(): Promise<void> {
    const revised = this.#granting.revise()
    this.approvals.revise()
    await revised
  }

  /** After a start: makes hooks and grants agree, with the time that is left. */
  async resume(hooks: readonly Hook[], start?: StartHooks): Promise<void> {
    await this.#granting.resume(hooks, start)
    this.approvals.endExpired()
    this.approvals.revise()
  }

  /** After a reload: the same, but for what hooks hold as they are told to. */
  agree(hooks: readonly Hook[]): Promise<void> {
    return this.#granting.agree(hooks)
  }

  /** Resolves when nothing that was begun is under way any more. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  #presentTo({ knock, source }: Heard, known: KnownKnock): Outcome {
    return this.#present(known, familyAsked(knock, source))
  }

  #present({ outcome }: KnownKnock, family: Family): Outcome {
    const { state, clock } = this.#parts
    return present(outcome, state.grants.get(outcome.grant), family, clock.now())
  }

  #circumstances(now: number, validation?: Validation): Circumstances {
    const { directory, host, state } = this.#parts
    const newGrantId = this.#newGrantId
    const { newTokenHash } = this.approvals
    return { directory: directory(), host, state, now, newGrantId, newTokenHash, validation }
  }

  readonly #newGrantId = (): string => toHex(this.#parts.random(GRANT_ID_BYTES))

  #answer({ tag }: Heard, keys: ReplyKeys, outcome: Outcome): Verdict {
    const { clock, random } = this.#parts
    const { status, reason, network, lifetime, grant, detail } = outcome
    const { address, prefix } = network
    const serverMs = clock.now()
    const reply = { status, reason, prefix, lifetime, serverMs, address, grant, detail }
    const sealed = sealReply(keys, random(NONCE_BYTES), tag, reply, this.#parts.replyTag)
    return sealed.ok ? { kind: 'answer', outcome, reply: sealed.value } : SILENCE
  }

  #silence(stage: SilentStage): Silence {
    this.#parts.counters.count(stage)
    return SILENCE
  }
}

/** A socket names the interface of a link-local address (`fe80::1%eth0`), which is no part of it. */
function addressOf({ source }: Attempt): Address | undefined {
  const end = source.indexOf('%')
  return parseAddress(end < 0 ? source : source.slice(0, end))
}

/** Lines that whoever steals a key could write without end must leave room for the others. */
const mayBeLeftOut = ({ outcome, burnt, grant, ended = [] }: KnockEvent): boolean =>
  outcome.status === 'refused' || (!burnt && !grant && ended.length === 0)
