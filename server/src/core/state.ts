import { DETAIL_MAX, fromHex } from '@oneknock/shared'
import type { Clock } from './clock.ts'
import type { Device } from './directory.ts'
import { isDoor } from './doors.ts'
import type {
  ApprovedEvent,
  DisapprovedEvent,
  EndedEvent,
  Event,
  FailedEvent,
  KnockEvent,
  NarrowedEvent,
} from './events.ts'
import { Burnt, type BurntRecord } from './factors.ts'
import { Familiarity, type VisitRecord } from './familiarity.ts'
import { type Ending, type Grant, Grants, NO_GRANT } from './grants.ts'
import { Knocks, type KnocksRecord } from './knocks.ts'
import { Lockout, type LockoutRecord } from './lockout.ts'
import { mayOutlive, Outlived, type Past } from './outlived.ts'
import { Elements, elementsOf, type Recorded } from './recorded.ts'
import { ReplayMemory, type ReplayRecord } from './replay.ts'
import { SteadyMap } from './steady.ts'
import { type Pending, Waiting } from './waiting.ts'

/** The daemon's memory in one value: what opens every ledger file. */
export interface Checkpoint {
  readonly replay: ReplayRecord
  readonly burnt: BurntRecord
  readonly lockout: LockoutRecord
  readonly knocks: KnocksRecord
  readonly grants: readonly Grant[]
  readonly ending: readonly Ending[]
  /** Absent in files from before anybody could be asked. */
  readonly waiting?: readonly Pending[]
  /** Absent in files from before these were remembered. */
  readonly outlived?: readonly Past[]
  readonly taken: readonly string[]
  readonly visits: readonly VisitRecord[]
  /** The latest time that it has seen. */
  readonly at: number
}

/** Less is a clock being disciplined, or lines that waited for the disk; more is a clock set back. */
const STEP_MS = 60_000

/**
 * All that the daemon remembers. It changes only by events, the same way when they happen and when
 * they are read back, so what is rebuilt after a crash is what was there.
 */
export class State {
  readonly replay: ReplayMemory
  readonly burnt = new Burnt()
  readonly lockout = new Lockout()
  readonly knocks = new Knocks()
  readonly familiarity = new Familiarity()
  readonly grants: Grants
  /** Grants that are over, though what came in by them may go on. */
  readonly outlived = new Outlived()
  /** For somebody's yes. */
  readonly waiting: Waiting
  /** When the devices were enrolled that somebody took up by knocking: a name may be given again. */
  readonly #taken = new SteadyMap<readonly number[]>()
  #at = 0

  constructor(clock: Clock, freshnessMs: number) {
    this.replay = new ReplayMemory(freshnessMs)
    this.grants = new Grants(clock)
    this.waiting = new Waiting(clock)
  }

  isTaken({ id, enrolledAt }: Pick<Device, 'id' | 'enrolledAt'>): boolean {
    return this.#taken.get(id)?.includes(enrolledAt) ?? false
  }

  apply(event: Event, at: number): void {
    this.keepTime(at)
    switch (event.event) {
      case 'knock':
        this.#knock(event, at)
        break
      case 'seen':
        this.replay.add(fromHex(event.tag)!, event.device, event.sentAt)
        break
      case 'failed':
        this.#failed(event)
        break
      case 'narrowed':
        this.#narrowed(event)
        break
      case 'approved':
        this.#approved(event, at)
        break
      case 'disapproved':
        this.#disapproved(event)
        break
      case 'ending':
        this.grants.end(event.grant, event.why)
        if (event.left) this.grants.put(event.left)
        break
      case 'ended':
        this.#ended(event)
        break
      case 'cut':
        this.outlived.cut(event.user, event.grant, event.services)
        break
      case 'unlocked':
        this.lockout.unlock(event.user, at)
        break
      case 'note':
        break
    }
  }

  /**
   * What the wall clock says now. A clock that was set back, while the daemon ran or between two
   * lives of it, takes the grants' ends back with it. How long it had run since the last event nobody
   * can tell after a restart: a grant gets its time anew at most, never the hours that the clock lost.
   */
  keepTime(nowMs: number): void {
    const back = this.#at - nowMs
    if (back > STEP_MS) {
      this.grants.shift(back)
      this.waiting.shift(back)
    }
    this.#at = back > STEP_MS ? nowMs : Math.max(this.#at, nowMs)
  }

  /** Drops what time has made useless. */
  forget(nowMs: number): void {
    this.replay.forget(nowMs)
    this.knocks.forget(nowMs)
    this.familiarity.forget(nowMs)
    this.outlived.forget(nowMs)
  }

  /** All of it as it is now: what is applied later is not in it, however late it is written. */
  checkpoint(): Recorded<Checkpoint> {
    return {
      replay: this.replay.record(),
      burnt: this.burnt.record(),
      lockout: this.lockout.record(),
      knocks: this.knocks.record(),
      ...this.grants.record(),
      outlived: this.outlived.record(),
      waiting: new Elements(this.waiting.list()),
      taken: elementsOf(this.#taken, ([id, times]) => times.map(time => `${id}@${time}`)),
      visits: this.familiarity.record(),
      at: this.#at,
    }
  }

  restore(checkpoint: Checkpoint): void {
    this.replay.restore(checkpoint.replay)
    this.burnt.restore(checkpoint.burnt)
    this.lockout.restore(checkpoint.lockout)
    this.knocks.restore(checkpoint.knocks)
    for (const grant of checkpoint.grants) this.grants.put(grant)
    for (const ending of checkpoint.ending) this.grants.restoreEnding(ending)
    this.outlived.restore(checkpoint.outlived ?? [])
    for (const pending of checkpoint.waiting ?? []) this.waiting.put(pending)
    for (const enrolment of checkpoint.taken) {
      const end = enrolment.lastIndexOf('@') // A door's name has one too.
      this.#take(enrolment.slice(0, end), Number(enrolment.slice(end + 1)))
    }
    this.familiarity.restore(checkpoint.visits)
    this.#at = checkpoint.at
  }

  #knock(event: KnockEvent, at: number): void {
    const { device, outcome, burnt, grant } = event
    // A checkpoint may hold this line's effect already: it must not count twice.
    const before = this.knocks.find(device, event.knock, at)
    const known = before !== undefined
    if (event.tag) this.replay.add(fromHex(event.tag)!, device, event.sentAt)
    if (burnt) this.burnt.add(burnt)
    if (burnt && !known) this.lockout.right(device)
    // A packet without a code is nobody's guess.
    if (outcome.reason === 'wrong-factor' && event.factor !== 'none' && !known) {
      this.lockout.wrong(device, lockoutUser(event), at)
    }
    if (burnt || outcome.status !== 'refused') this.#take(device, event.enrolledAt)
    for (const id of event.ended ?? []) this.grants.end(id, 'closed')
    for (const left of event.left ?? []) this.grants.put(left)
    if (grant) this.grants.put(grant)
    if (!known) this.#come(event, at)
    // What has been answered since waits no more, though the answer's own line be lost.
    if (event.pending && before && before.outcome.status !== 'pending') return
    if (event.pending) this.waiting.put(event.pending)
    this.knocks.put(device, event.knock, outcome, at)
  }

  #take(id: string, enrolledAt: number): void {
    if (this.isTaken({ id, enrolledAt })) return
    this.#taken.set(id, [...(this.#taken.get(id) ?? []), enrolledAt])
  }

  /** For services whose lifetime grows. */
  #come({ user, grant, visits }: Pick<KnockEvent, 'user' | 'grant' | 'visits'>, at: number): void {
    if (visits === undefined) return
    for (const network of grant?.networks ?? []) {
      this.familiarity.come(user, network, grant!.until, at)
    }
  }

  #approved(event: ApprovedEvent, at: number): void {
    const { id, device, grant, outcome } = event
    // As above: if it does not wait, a checkpoint holds this line's effect already.
    if (this.waiting.get(id)) this.#come(event, at)
    this.waiting.remove(id)
    if (grant) this.grants.put(grant)
    this.knocks.amend(device, id, () => outcome)
  }

  #disapproved({ id, device, outcome }: DisapprovedEvent): void {
    this.waiting.remove(id)
    this.knocks.amend(device, id, () => outcome)
  }

  #failed({ grant, device, service }: FailedEvent): void {
    this.grants.end(grant, 'failed')
    this.knocks.amend(device, grant, before => ({
      ...before,
      status: 'refused',
      reason: 'hook-failed',
      lifetime: 0,
      grant: NO_GRANT,
      detail: service.slice(0, DETAIL_MAX),
    }))
  }

  #narrowed({ grant }: NarrowedEvent): void {
    if (!this.grants.get(grant.id)) return
    this.grants.put(grant)
    const network = grant.networks[0]!
    this.knocks.amend(grant.device, grant.id, before => ({ ...before, network }))
  }

  /** Whoever asks again after a knock whose grant was renewed is told of what it is now. */
  #ended({ grant, by, why }: EndedEvent): void {
    const over = this.grants.get(grant) ?? this.grants.getEnding(grant)?.grant
    if (by && over) this.knocks.amend(over.device, grant, before => ({ ...before, grant: by }))
    if (over && mayOutlive(why)) this.outlived.add(over)
    this.grants.remove(grant)
  }
}

/** Doors without a key count for themselves: what strangers can try there never locks a device. */
const lockoutUser = ({ device, user }: KnockEvent): string => (isDoor(device) ? device : user)
