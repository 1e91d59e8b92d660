import {
  KNOCK_ID_BYTES,
  NONCE_BYTES,
  parseAddress,
  sealReply,
  tagOf,
  toHex,
} from '@oneknock/shared'
import { Buckets } from './core/buckets.ts'
import type { Clock } from './core/clock.ts'
import type { Directory } from './core/directory.ts'
import type { EndedWhy, Event, KnockEvent } from './core/events.ts'
import type { Grant } from './core/grants.ts'
import { type Circumstances, type Heard, join, judge, judgeClaim } from './core/judge.ts'
import type { Keyring, ReadyKeys } from './core/keyring.ts'
import { askOf, type KnownKnock, type Outcome } from './core/knocks.ts'
import { failedOutcome, mayJoin, present } from './core/outcomes.ts'
import { type Host, stillAllowed } from './core/policy.ts'
import type { State } from './core/state.ts'
import { authenticate, type Freshness, type SilentStage } from './core/verify.ts'
import type { Counters } from './counters.ts'
import type { Doors } from './doors.ts'
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
  readonly freshnessMs: number
}

const GRANT_ID_BYTES = 8

/** The whole way of a knock (DESIGN 4). What comes before the first `await` is one synchronous run. */
export class Gatekeeper {
  readonly #parts: GatekeeperParts
  readonly #buckets = new Buckets()
  readonly #freshness: Freshness

  constructor(parts: GatekeeperParts) {
    this.#parts = parts
    this.#freshness = {
      windowMs: parts.freshnessMs,
      floor: device => parts.state.replay.floor(device),
    }
  }

  readonly judge: Judge = (attempt: Attempt) =>
    'datagram' in attempt ? this.#packet(attempt) : this.#claim(attempt)

  #packet(attempt: PacketAttempt): Silence | Promise<Verdict> {
    const { clock, keyring, state, counters } = this.#parts
    const now = clock.now()
    const authentic = authenticate(attempt.datagram, keyring, now, this.#freshness) // steps 1–5
    if (typeof authentic === 'string') return this.#silence(authentic)

    const { device, keys, knock } = authentic
    const tag = tagOf(attempt.datagram).slice()
    const source = parseAddress(attempt.source)
    if (!source || state.replay.has(tag, knock.sentAt)) return this.#silence('replay') // step 6
    if (!this.#buckets.take(device.id, clock.monotonic())) return this.#silence('rate')
    state.replay.add(tag, device.id, knock.sentAt)

    const heard: Heard = { device, knock, tag, source }
    const known = state.knocks.find(device.id, knock.knockId, now) // step 7
    if (known) {
      counters.count('again')
      return this.#again(heard, keys, known)
    }
    const event = judge(heard, this.#circumstances(now)) // steps 8–9
    state.apply(event, now)
    counters.count(event.outcome.status)
    const entry = state.knocks.find(device.id, knock.knockId, now)!
    entry.ask = askOf(knock)
    entry.done = this.#carryOut(event, entry)
    return entry.done.then(() => this.#answer(heard, keys, this.#present(heard, entry))) // step 12
  }

  /** Steps 8 to 12 for someone without a key, whose door vouches for the address. */
  async #claim({ source, ...claim }: CredentialAttempt): Promise<Verdict> {
    const { clock, state, random, counters } = this.#parts
    const address = parseAddress(source)
    if (!address) return SILENCE
    const now = clock.now()
    const knockId = toHex(random(KNOCK_ID_BYTES))
    const event = judgeClaim({ ...claim, source: address, knockId }, this.#circumstances(now))
    if (!('event' in event)) {
      counters.count(event.status)
      return { kind: 'answer', outcome: event }
    }
    state.apply(event, now)
    counters.count(event.outcome.status)
    const entry = state.knocks.find(event.device, knockId, now)!
    entry.done = this.#carryOut(event, entry)
    await entry.done
    return { kind: 'answer', outcome: entry.outcome }
  }

  /** Steps 10 and 11: on record, then open. What becomes of it stands in the knock's outcome. */
  async #carryOut(event: KnockEvent, entry: KnownKnock): Promise<void> {
    const { record, doors } = this.#parts
    const { grant, user, left = [], ended = [] } = event
    const durable = await record(event, { refusal: event.outcome.status === 'refused' })
    if (!durable) {
      entry.outcome = failedOutcome(entry.outcome, 'state-unavailable')
      if (grant) this.end(grant.id, 'failed')
    }
    // What was to be closed is closed all the same: a door too many shut harms nobody.
    await Promise.all(left.map(rest => doors.need(rest)))
    for (const id of ended) void this.#close(id, user, 'closed')
    if (durable && grant) await this.#open(grant)
  }

  async #open(grant: Grant): Promise<void> {
    const { doors, state, clock, record } = this.#parts
    const { id, user, device } = grant
    // While its line was written it may have been closed again, or its user removed.
    if (!state.grants.get(id)) return
    const fault = await doors.need(grant)
    if (!fault) {
      for (const old of state.grants.supersededBy(grant)) this.end(old.id, 'renewed')
      return
    }
    const { service } = fault.opening
    const failed = { event: 'failed', grant: id, device, service, error: fault.message } as const
    state.apply(failed, clock.now())
    await record(failed)
    void this.#close(id, user, 'failed')
  }

  /** A further packet of a known knock adds its address, or is told what became of the knock. */
  async #again(heard: Heard, keys: ReadyKeys, known: KnownKnock): Promise<Verdict> {
    const { state, record, clock } = this.#parts
    let waited: unknown
    while (waited !== known.done) {
      waited = known.done
      await waited
    }
    const now = clock.now()
    const grant = state.grants.get(known.outcome.grant)
    let outcome = this.#present(heard, known)
    if (grant && mayJoin(heard, known, grant, now)) {
      const event = join(heard, grant, this.#circumstances(now))
      if (event.grant) {
        const joined = this.#join(event, event.grant, grant)
        known.done = joined.then(() => {})
        return this.#answer(heard, keys, await joined)
      }
      outcome = event.outcome
    }
    const { tag, device, knock } = heard
    const seen = {
      event: 'seen',
      tag: toHex(tag),
      device: device.id,
      sentAt: knock.sentAt,
    } as const
    const durable = await record({ ...seen, reason: outcome.reason })
    return this.#answer(
      heard,
      keys,
      durable ? outcome : failedOutcome(outcome, 'state-unavailable'),
    )
  }

  /** Steps 9 to 11 for an address of the other family; what fails leaves the grant as it was. */
  async #join(event: KnockEvent, grant: Grant, before: Grant): Promise<Outcome> {
    const { state, clock, record, doors } = this.#parts
    state.apply(event, clock.now())
    const durable = await record(event)
    if (!state.grants.get(grant.id)) return failedOutcome(event.outcome, 'state-unavailable')
    const fault = durable ? await doors.need(grant) : undefined
    if (durable && !fault) return event.outcome
    const narrowed = {
      event: 'narrowed',
      grant: before,
      error: fault?.message ?? 'not on record',
    } as const
    state.apply(narrowed, clock.now())
    void record(narrowed)
    if (fault && state.grants.get(grant.id)) void doors.need(before)
    return failedOutcome(event.outcome, fault ? 'hook-failed' : 'state-unavailable')
  }

  /** Ends a live grant at once; its hooks close in their own time, and then the ledger says so. */
  end(id: string, why: EndedWhy): void {
    const grant = this.#parts.state.grants.end(id)
    if (grant) void this.#close(id, grant.user, why)
  }

  /** Ends what is over by either clock. */
  endExpired(): void {
    for (const { id } of this.#parts.state.grants.expired()) this.end(id, 'expired')
  }

  /** Ends what the directory allows no longer: at once, and its connections with it. */
  revise(): void {
    for (const { id, user } of this.#revoke()) void this.#close(id, user, 'removed')
  }

  /** After a start: makes hooks and grants agree, with the time that is left. */
  async resume(hooks: readonly Hook[]): Promise<void> {
    const { state, doors } = this.#parts
    for (const { id } of state.grants.expired()) state.grants.end(id)
    const revoked = this.#revoke()
    await Promise.all(state.grants.list().map(grant => this.#open(grant)))
    const ending = state.grants.ending()
    await doors.settle(ending, revoked, hooks)
    for (const grant of ending) {
      void this.#close(grant.id, grant.user, revoked.includes(grant) ? 'removed' : 'expired')
    }
  }

  /** Takes away what the directory allows no longer; what is left of a grant becomes one of its own. */
  #revoke(): Grant[] {
    const { state, directory, random, clock, record, doors } = this.#parts
    return state.grants.list().filter(grant => {
      const services = stillAllowed(directory(), grant)
      if (services.length === grant.services.length) return false
      if (services.length > 0) {
        const left = { ...grant, id: toHex(random(GRANT_ID_BYTES)), services }
        state.apply({ event: 'left', grant: left }, clock.now())
        void record({ event: 'left', grant: left })
        void doors.need(left)
      }
      state.grants.end(grant.id)
      return true
    })
  }

  async #close(id: string, user: string, why: EndedWhy): Promise<void> {
    const { doors, state, clock, record } = this.#parts
    const cut = why === 'administrator' || why === 'removed'
    if (!(await doors.release(id, cut))) return
    const ended = { event: 'ended', grant: id, user, why } as const
    state.apply(ended, clock.now())
    await record(ended)
  }

  #present({ knock, source }: Heard, { outcome }: KnownKnock): Outcome {
    const { state, clock } = this.#parts
    return present(outcome, state.grants.get(outcome.grant), knock, source, clock.now())
  }

  #circumstances(now: number): Circumstances {
    const { directory, host, state, random } = this.#parts
    const newGrantId = () => toHex(random(GRANT_ID_BYTES))
    return { directory: directory(), host, state, now, newGrantId }
  }

  #answer({ tag }: Heard, keys: ReadyKeys, outcome: Outcome): Verdict {
    const { clock, random } = this.#parts
    const { network, ...rest } = outcome
    const reply = { ...rest, ...network, serverMs: clock.now() }
    const sealed = sealReply(keys, random(NONCE_BYTES), tag, reply)
    return sealed.ok ? { kind: 'answer', outcome, reply: sealed.value } : SILENCE
  }

  #silence(stage: SilentStage): Silence {
    this.#parts.counters.count(stage)
    return SILENCE
  }
}
