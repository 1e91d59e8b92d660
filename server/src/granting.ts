import { toHex } from '@oneknock/shared'
import type { Event } from './core/events.ts'
import type { EndedWhy, Ending, Grant } from './core/grants.ts'
import type { Opening } from './core/openings.ts'
import { stillAllowed } from './core/policy.ts'
import type { Fault, Found } from './doors.ts'
import type { GatekeeperParts } from './gatekeeper.ts'
import type { Hook } from './hooks/hook.ts'

export const GRANT_ID_BYTES = 8

export type GrantingParts = Pick<
  GatekeeperParts,
  'clock' | 'random' | 'state' | 'directory' | 'record' | 'doors'
>

/** Starts the hooks, with these open where that can be; what they hold then, as far as they say. */
export type StartHooks = (wanted: readonly Opening[]) => Promise<Found>
/** They are up already. */
const STARTED: StartHooks = async () => new Map()

/** A grant that the directory allows no longer, or not whole. */
interface Revoked {
  readonly ending: Ending
  /** What is left of it, opened by nobody yet. */
  readonly left: Grant | undefined
  /** Whether it came on record. */
  readonly noted: Promise<boolean>
}

/** From a grant that is on record to the last of its doors closed. */
export class Granting {
  readonly #parts: GrantingParts

  constructor(parts: GrantingParts) {
    this.#parts = parts
  }

  /** Opens what the grant gives. If a hook fails, the grant has failed, and what had opened is rolled back. */
  async open(grant: Grant): Promise<void> {
    const { doors, state } = this.#parts
    // Whatever is awaited, the grant may have ended meanwhile; then it is being closed already.
    if (state.grants.get(grant.id)) await this.#opened(grant, doors.need(grant))
  }

  async #opened(grant: Grant, opening: Promise<Fault | undefined>): Promise<void> {
    const { state } = this.#parts
    const { id, device } = grant
    const fault = await opening
    if (!state.grants.get(id)) return
    if (!fault) return this.#foldOlder(grant)
    const { service } = fault.opening
    const noted = this.#happens({
      event: 'failed',
      grant: id,
      device,
      service,
      error: fault.message,
    })
    await Promise.all([noted, this.#close(state.grants.getEnding(id)!)])
  }

  /** Opens the address that has joined a grant, or puts the grant back; why, if so. */
  async widen(
    grant: Grant,
    before: Grant,
    durable: boolean,
  ): Promise<'hook-failed' | 'state-unavailable' | undefined> {
    const { doors, state } = this.#parts
    if (!state.grants.get(grant.id)) return undefined
    const fault = durable ? await doors.need(grant) : undefined
    if ((durable && !fault) || !state.grants.get(grant.id)) return undefined
    const error = fault?.message ?? 'not on record'
    void this.#happens({ event: 'narrowed', grant: before, error })
    if (fault) void doors.need(before)
    return fault ? 'hook-failed' : 'state-unavailable'
  }

  /** Closes what these grants opened, but for what is left of them; the first fault, if any. */
  async replace(
    ended: readonly string[],
    left: readonly Grant[],
    durable: boolean,
  ): Promise<Fault | undefined> {
    const { doors, state } = this.#parts
    const rest = left.filter(({ id }) => state.grants.get(id))
    for (const grant of rest) doors.adopt(grant)
    const endings = ended.flatMap(id => state.grants.getEnding(id) ?? [])
    const faults = await Promise.all(endings.map(ending => this.#close(ending)))
    if (durable) await Promise.all(rest.map(grant => this.open(grant)))
    return faults.find(fault => fault !== undefined)
  }

  /** Ends a live grant at once; resolves when its hooks have been asked to close. */
  async end(id: string, why: EndedWhy): Promise<void> {
    const { grants } = this.#parts.state
    const grant = grants.get(id)
    if (!grant) return
    const noted = isTakenAway(why)
      ? this.#happens({ event: 'ending', grant: id, user: grant.user, why })
      : grants.end(id, why)
    await Promise.all([noted, this.#close(grants.getEnding(id)!)])
  }

  /** Ends what is over by either clock. */
  endExpired(): void {
    for (const { id } of this.#parts.state.grants.expired()) void this.end(id, 'expired')
  }

  /** Ends what the directory allows no longer, and its connections with it; resolves when that was tried. */
  async revise(): Promise<void> {
    const revoked = this.#revoke()
    for (const { left, noted } of revoked) {
      if (left) void noted.then(durable => (durable ? this.open(left) : undefined))
    }
    await Promise.all([...revoked.map(({ ending }) => this.#close(ending)), this.#cutOutlived()])
  }

  /** After a start: makes hooks and grants agree, with the time that is left. */
  async resume(hooks: readonly Hook[], start: StartHooks = STARTED): Promise<void> {
    const { state, clock, doors } = this.#parts
    const { grants } = state
    state.keepTime(clock.now())
    for (const { id } of grants.expired()) grants.end(id, 'expired')
    this.#revoke()
    const endings = grants.listEnding()
    for (const grant of grants.list()) doors.adopt(grant)
    const found = await start(doors.list())
    doors.learn(found)
    const shut = grants.list().filter(({ id }) => !doors.holds(id))
    for (const grant of grants.list()) if (doors.holds(grant.id)) this.#foldOlder(grant)
    await Promise.all(shut.map(grant => this.#opened(grant, doors.reach(grant.id))))
    for (const { grant } of endings) doors.adopt(grant)
    await doors.settle(hooks, found)
    await Promise.all([...endings.map(ending => this.#close(ending)), this.#cutOutlived()])
  }

  /** After a reload: opens anew what hooks have let go of, and closes what nobody needs of them. */
  async agree(hooks: readonly Hook[]): Promise<void> {
    const { doors, state } = this.#parts
    await doors.settle(hooks)
    await Promise.all(state.grants.list().map(grant => this.open(grant)))
  }

  /** Takes away what the directory allows no longer; what is left of a grant becomes one of its own. */
  #revoke(): Revoked[] {
    const { state, directory, random, doors } = this.#parts
    return state.grants.list().flatMap(grant => {
      const { id, user } = grant
      const services = stillAllowed(directory(), grant)
      if (services.length === grant.services.length) return []
      const left =
        services.length > 0 ? { ...grant, id: toHex(random(GRANT_ID_BYTES)), services } : undefined
      const ending = { event: 'ending', grant: id, user, why: 'removed' } as const
      const noted = this.#happens({ ...ending, ...(left && { left }) })
      if (left) doors.adopt(left)
      return { ending: state.grants.getEnding(id)!, left, noted }
    })
  }

  #foldOlder(grant: Grant): void {
    for (const old of this.#parts.state.grants.supersededBy(grant)) this.#fold(old, grant)
  }

  /** The older grant's openings are the newer's too, and last as long: no door moves. */
  #fold({ id, user }: Grant, by: Grant): void {
    void this.#happens({ event: 'ended', grant: id, user, why: 'renewed', by: by.id })
    this.#parts.doors.release(id)
  }

  /** Closes what an ended grant opened; once that is done the ledger says so. What the first try met. */
  #close({ grant: { id, user }, why }: Ending): Promise<Fault | undefined> {
    const { doors, state } = this.#parts
    const { tried, closed } = doors.release(id, isTakenAway(why))
    void closed.then(async done => {
      if (!done) return
      void this.#happens({ event: 'ended', grant: id, user, why })
      // Whoever was put out while it was closing was not cut then.
      await this.#cutOutlived(state.outlived.of(user).filter(grant => grant.id === id))
    })
    return tried
  }

  /** Cuts what came in by grants that are over, where the directory allows it no longer. */
  async #cutOutlived(outlived = this.#parts.state.outlived.list()): Promise<void> {
    const { directory, doors } = this.#parts
    const tries = outlived.map(grant => {
      const { id, user } = grant
      const allowed = stillAllowed(directory(), grant)
      const services = grant.services.filter(name => !allowed.includes(name))
      const cutting = services.length > 0 ? doors.cutOff({ ...grant, services }) : undefined
      void cutting?.closed.then(
        done => done && this.#happens({ event: 'cut', grant: id, user, services }),
      )
      return cutting?.tried
    })
    await Promise.all(tries)
  }

  /** The state changes at once, and the ledger says it in the same order. */
  #happens(event: Event): Promise<boolean> {
    const { state, clock, record } = this.#parts
    state.apply(event, clock.now())
    return record(event)
  }
}

/** Somebody is to be out: their connections end too, and a crash must not bring the grant back. */
const isTakenAway = (why: EndedWhy): boolean => why === 'administrator' || why === 'removed'
