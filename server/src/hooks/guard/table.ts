import type { Network } from '@oneknock/shared'
import type { Clock } from '../../core/clock.ts'
import { HookError } from '../hook.ts'
import type { Cuts } from './cuts.ts'
import type { Report } from './events.ts'
import type { Flows } from './flows.ts'
import { admits, type Held } from './held.ts'
import type { Guard, GuardKernel, Listing } from './kernel.ts'
import { Living, withoutCut } from './living.ts'
import { Rhythm } from './rhythm.ts'
import { carried, carriedCuts, leadingAsBefore, newlyGuarded, seeds } from './seeds.ts'
import { readFlows } from './sockets.ts'
import { type Trial, TrialClock } from './trial-clock.ts'
import { forgetFormerLeads } from './unlead.ts'
import { hasPort, type Zone } from './zones.ts'

/** Milliseconds between looks at the rules: a second without a guard is the most that may be. */
const BEAT = 1_000
/** Milliseconds between looks at who is live, which cost three times as much. */
const CENSUS = 10_000
/** What is cut is looked for again, since packets write there too; it is hardly ever found twice. */
const LOOKS_MAX = 5
/** How often in its time a guard that lets go by itself is renewed: a missed beat or two do no harm. */
const RENEWALS = 4
/** Milliseconds; more often than once a minute nobody needs it. */
const RENEWAL_MAX = 60_000

export interface TableOptions {
  readonly guard: Guard
  readonly held: Held
  readonly kernel: GuardKernel
  readonly clock: Clock
  readonly report: Report
  readonly trial: Trial
}

/** The guard in the kernel: put up whole, looked after, and put back when somebody takes it. */
export class GuardTable {
  readonly trial: TrialClock
  readonly #options: TableOptions
  readonly #living = new Living()
  readonly #rhythms: readonly Rhythm[]
  #guard: Guard
  /** What the kernel tells of the rules while nobody has changed them. */
  #intact = ''
  /** When the guard was last told, on the monotonic clock, that somebody lives. */
  #renewed = 0
  #turn: Promise<unknown> = Promise.resolve()
  #nextCheck: Promise<boolean> | undefined
  #stopped = false
  #complaint = ''

  constructor(options: TableOptions) {
    this.#options = options
    this.#guard = options.guard
    this.trial = new TrialClock(options.clock, options.report)
    this.#rhythms = [
      new Rhythm(options.clock, BEAT, () => this.#beat()),
      new Rhythm(options.clock, CENSUS, () => this.#inTurn(() => this.#takeCensus())),
    ]
  }

  /**
   * Puts the guard up, with open what is held. Who else was in by a table of an earlier run stays in,
   * for as long as it said; who talks to a port that was not guarded before goes on talking.
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      const { held, clock, kernel, report, trial } = this.#options
      const before = await this.list()
      const found = held.recognise(before?.open ?? [], clock.now())
      for (const opening of found) {
        // What is wider than is allowed by now has no room in the table any more.
        if (!held.holds(opening) && held.fits(opening)) held.put(opening)
      }
      this.trial.begin(trial, before?.trial)
      const flows = await this.#takeTheirPlace(before)
      report({ kind: 'guard-up', adopted: before !== undefined, openings: held.size, flows })
      this.trial.announce()
      kernel.watch(() => void this.check())
      for (const rhythm of this.#rhythms) rhythm.start()
    })
  }

  /** Puts the guard on trial, or ends the trial: it stands for good. */
  onTrial(trial: Trial): Promise<void> {
    return this.#inTurn(async () => {
      const before = await this.list()
      const { left } = this.trial
      this.trial.begin(trial)
      try {
        await this.#takeTheirPlace(before)
      } catch (error) {
        this.trial.set(left)
        throw error
      } finally {
        this.trial.announce()
      }
    })
  }

  /** Takes up another configuration, whole or not at all. */
  change(guard: Guard): Promise<void> {
    return this.#inTurn(async () => {
      const before = await this.list()
      const old = this.#guard
      const undo = this.#options.held.rezone(guard.zones)
      this.#guard = guard
      try {
        await this.#takeTheirPlace(before)
      } catch (error) {
        this.#guard = old
        undo()
        throw error
      }
    })
  }

  /** Sees to it that there is room for prefixes of this length. */
  async declare(zone: Zone, network: Network): Promise<void> {
    const { kernel } = this.#options
    if (kernel.declares(zone, network)) return
    await this.#inTurn(async () => {
      if (kernel.declares(zone, network)) return
      await kernel.declare(zone, network)
      await this.#remember()
    })
  }

  /** What is in it, unless it is gone. */
  list(): Promise<Listing | undefined> {
    return this.#options.kernel.list()
  }

  /** Forgets the live flows that these end. */
  forget(cuts: Cuts): Promise<void> {
    return this.#inTurn(async () => {
      for (let looks = 0; looks < LOOKS_MAX; looks++) if (!(await this.#forgetOnce(cuts))) return
      throw new HookError(
        this.#options.kernel.name,
        'failed',
        'flows that were cut are still there',
      )
    })
  }

  /** Whether there is something to look at again. */
  async #forgetOnce(cuts: Cuts): Promise<boolean> {
    const listing = await this.list()
    if (listing) this.#living.set(() => listing)
    const doomed = this.#living.list().live.flatMap(element => {
      const zone = cuts.find(element.zone, element.flow)?.zone
      return zone ? [{ element, zone }] : []
    })
    const isThere = listing !== undefined && doomed.length > 0
    if (isThere) {
      const flows = doomed.map(({ element: { flow }, zone }) => ({ zone, flow }))
      await this.#options.kernel.forget(flows)
    }
    const gone = doomed.map(({ element }) => element)
    this.#living.cut(cuts, gone)
    return isThere
  }

  /** A heartbeat out of turn. Whether the guard stands, if need be by having been put back. */
  check(): Promise<boolean> {
    this.#nextCheck ??= this.#inTurn(() => {
      this.#nextCheck = undefined
      return this.#look()
    })
    return this.#nextCheck
  }

  async #beat(): Promise<void> {
    await this.#inTurn(() => this.#renew())
    await this.check()
  }

  /** A guard that lets go when its daemon is dead hears that it is not. */
  async #renew(): Promise<void> {
    const { kernel, clock } = this.#options
    const { ifDead } = this.#guard
    if (this.#stopped || ifDead === undefined || this.trial.left !== undefined) return
    const now = clock.monotonic()
    if (now - this.#renewed < Math.min(RENEWAL_MAX, ifDead / RENEWALS)) return
    try {
      await kernel.renew?.(this.#guard)
      this.#renewed = now
    } catch {
      // The look that comes next finds out why, and puts back what is gone, with all its time.
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const rhythm of this.#rhythms) rhythm.stop()
    this.trial.stop()
    await this.#turn
  }

  /** What changes the table as a whole, and looks at it, never overlaps. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  async #takeTheirPlace(before: Listing | undefined): Promise<number> {
    const { zones } = this.#guard
    const old = before ? carried(withoutCut(before), leadingAsBefore(zones, before)) : []
    const found = seeds(await readFlows(), zones, newlyGuarded(before))
    const cut = before ? carriedCuts(before.cut, zones) : []
    const flows = { live: [...old, ...found], cut }
    await this.#replace(flows)
    this.#living.set(() => flows)
    await this.#remember()
    if (before) await forgetFormerLeads(before, zones)
    return flows.live.length
  }

  async #replace(flows: Flows): Promise<void> {
    const { kernel, held, clock } = this.#options
    const open = held.elements(clock.now())
    this.#renewed = clock.monotonic()
    await kernel.replace(this.#guard, { open, ...flows, trial: this.trial.left })
  }

  /** What the rules are now is what they should be. */
  async #remember(): Promise<void> {
    const { kernel } = this.#options
    const rules = await kernel.rules()
    if (rules === undefined) {
      throw new HookError(kernel.name, 'failed', 'the guard was taken away as soon as it was up')
    }
    this.#intact = rules
  }

  async #look(): Promise<boolean> {
    const { kernel, report, held, clock } = this.#options
    if (this.#stopped) return false
    held.prune(clock.now())
    let rules: string | undefined
    try {
      rules = await kernel.rules()
    } catch (error) {
      return this.#complain('guard-unseen', error)
    }
    if (rules === undefined || rules !== this.#intact) {
      report({ kind: 'guard-lost', found: rules === undefined ? 'nothing' : 'other rules' })
      try {
        await this.#restore(rules !== undefined)
      } catch (error) {
        return this.#complain('guard-down', error)
      }
    }
    this.#complaint = ''
    return true
  }

  /**
   * Guard and doors first, who is live a moment later: nobody hangs up for that. While the guard was
   * away anybody could get in, so not every socket may go on: only flows that were live when they
   * were last counted, and those that some door let in since.
   */
  async #restore(somethingIsThere: boolean): Promise<void> {
    const { kernel, held, report } = this.#options
    const { zones } = this.#guard
    // If only the rules are gone, the sets know best.
    const still = somethingIsThere ? await this.list() : undefined
    const known = this.#living.list()
    const cut = carriedCuts([...known.cut, ...(still?.cut ?? [])], zones)
    // Until all is done, so that a heartbeat takes it up where this fails.
    this.#intact = ''
    await this.#replace({ live: [], cut })
    const doors = held.recent()
    const admitted = seeds(
      await readFlows(),
      zones,
      (zone, flow) =>
        !hasPort(zone.cutPorts, flow) &&
        admits(doors, zone, flow) &&
        !this.#living.ends(zone.name, flow),
    )
    const found = [...carried([...known.live, ...(still?.live ?? [])], zones), ...admitted]
    const live = withoutCut({ live: found, cut })
    await kernel.fill(live)
    this.#living.set(() => ({ live, cut }))
    await this.#remember()
    report({ kind: 'guard-restored', openings: held.size, flows: live.length })
  }

  async #takeCensus(): Promise<void> {
    const { kernel, held } = this.#options
    if (this.#stopped) return
    const restart = held.restartRecent()
    const counted = await kernel.census().catch(() => undefined)
    if (counted) {
      this.#living.set(counted)
      this.#living.restartCuts()
    }
    // The heartbeat says what is wrong; the last count still serves, with all doors since then.
    else restart.undo()
  }

  /** Once, not with every beat. */
  #complain(kind: 'guard-unseen' | 'guard-down', error: unknown): false {
    const message = error instanceof Error ? error.message : String(error)
    if (message !== this.#complaint) this.#options.report({ kind, message })
    this.#complaint = message
    return false
  }
}
