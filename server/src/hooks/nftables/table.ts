import { familyOf, familyPrefix, type Network } from '@oneknock/shared'
import type { Clock } from '../../core/clock.ts'
import { HookError } from '../hook.ts'
import { fillCommands, type LiveElement, openSet } from './elements.ts'
import type { Report } from './events.ts'
import { admits, type Held } from './held.ts'
import { type Listing, parseListing, skeleton } from './listing.ts'
import { Living } from './living.ts'
import { type NftRunner, printTable } from './nft.ts'
import { Rhythm } from './rhythm.ts'
import { type Guard, renderCommand } from './ruleset.ts'
import { carried, newlyGuarded, seeds } from './seeds.ts'
import { readFlows } from './sockets.ts'
import { type Trial, TrialClock } from './trial-clock.ts'
import { declareCommand } from './zone-chains.ts'
import { hasPort, SINGLE, type Zone } from './zones.ts'

/** Milliseconds between looks at the rules: a second without a guard is the most that may be. */
const BEAT = 1_000
/** Milliseconds between looks at who is live, which cost three times as much. */
const CENSUS = 10_000

export interface TableOptions {
  readonly guard: Guard
  readonly held: Held
  readonly nft: NftRunner
  readonly clock: Clock
  readonly report: Report
  readonly trial: Trial
}

/** The one table in the kernel: put up whole, looked after, and put back when somebody takes it. */
export class GuardTable {
  readonly trial: TrialClock
  readonly #options: TableOptions
  readonly #living = new Living()
  readonly #rhythms: readonly Rhythm[]
  #guard: Guard
  /** Names of sets for prefixes other than single addresses. */
  #declared = new Set<string>()
  /** What nft prints of the table while nobody has changed its rules. */
  #intact = ''
  #turn: Promise<unknown> = Promise.resolve()
  #nextCheck: Promise<boolean> | undefined
  #stopped = false
  #complaint = ''

  constructor(options: TableOptions) {
    this.#options = options
    this.#guard = options.guard
    this.trial = new TrialClock(options.clock, options.report)
    this.#rhythms = [
      new Rhythm(options.clock, BEAT, () => this.check()),
      new Rhythm(options.clock, CENSUS, () => this.#inTurn(() => this.#takeCensus())),
    ]
  }

  /**
   * Puts the guard up. Who was in by a table of an earlier run stays in, for as long as it said;
   * who talks to a port that was not guarded before goes on talking.
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      const { held, clock, nft, report, trial } = this.#options
      const before = await this.list()
      const now = clock.now()
      if (before) for (const opening of held.recognise(before.open, now)) held.put(opening)
      this.trial.begin(trial, before?.trial)
      const flows = await this.#takeTheirPlace(before)
      report({ kind: 'guard-up', adopted: before !== undefined, openings: held.size, flows })
      this.trial.announce()
      nft.watch(() => void this.check())
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

  write(command: string): Promise<void> {
    return this.#options.nft.write(command)
  }

  /** Whether the table has a set for this prefix length. */
  declares(zone: Zone, network: Network): boolean {
    const prefix = familyPrefix(network)
    if (prefix === SINGLE[familyOf(network.address)]) return true
    return this.#declared.has(openSet(zone.name, network))
  }

  /** Sees to it that it has one. */
  async declare(zone: Zone, network: Network): Promise<void> {
    if (this.declares(zone, network)) return
    await this.#inTurn(async () => {
      if (this.declares(zone, network)) return
      await this.write(declareCommand(zone, familyOf(network.address), familyPrefix(network)))
      this.#declared.add(openSet(zone.name, network))
      await this.#remember()
    })
  }

  /** What is in the table, unless it is gone. */
  async list(): Promise<Listing | undefined> {
    const text = await printTable(command => this.#options.nft.readAll(command))
    return text === undefined ? undefined : parseListing(text)
  }

  /** Forgets the live flows for which there is a command, by it. */
  forget(commandFor: (element: LiveElement) => string | undefined): Promise<void> {
    return this.#inTurn(async () => {
      const listing = await this.list()
      if (listing) this.#living.set(() => listing.live)
      const doomed = this.#living.list().flatMap(element => {
        const command = commandFor(element)
        return command === undefined ? [] : [{ element, command }]
      })
      if (listing && doomed.length > 0) {
        await this.write(doomed.map(({ command }) => command).join('; '))
      }
      for (const { element } of doomed) this.#living.cut(element)
    })
  }

  /** A heartbeat out of turn. Whether the guard stands, if need be by having been put back. */
  check(): Promise<boolean> {
    this.#nextCheck ??= this.#inTurn(() => {
      this.#nextCheck = undefined
      return this.#look()
    })
    return this.#nextCheck
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
    const old = before ? carried(before.live, zones) : []
    const found = seeds(await readFlows(), zones, newlyGuarded(before))
    return this.#putUp([...old, ...found])
  }

  async #putUp(live: readonly LiveElement[]): Promise<number> {
    await this.#replace(live)
    this.#living.set(() => live)
    await this.#remember()
    return live.length
  }

  async #replace(live: readonly LiveElement[]): Promise<void> {
    const { held, clock } = this.#options
    const open = held.elements(clock.now())
    const declared = new Set(open.map(({ zone, network }) => openSet(zone, network)))
    const filling = { declared, commands: fillCommands(open, live), trial: this.trial.left }
    await this.write(renderCommand(this.#guard, filling))
    this.#declared = declared
  }

  /** What the table looks like now is what it should look like. */
  async #remember(): Promise<void> {
    const text = await printTable(command => this.#options.nft.read(command))
    if (text === undefined) {
      throw new HookError('nftables', 'failed', 'the guard was taken away as soon as it was up')
    }
    this.#intact = skeleton(text)
  }

  async #look(): Promise<boolean> {
    const { nft, report, held, clock } = this.#options
    if (this.#stopped) return false
    held.prune(clock.now())
    let text: string | undefined
    try {
      text = await printTable(command => nft.read(command))
    } catch (error) {
      return this.#complain('guard-unseen', error)
    }
    if (text === undefined || skeleton(text) !== this.#intact) {
      report({ kind: 'guard-lost', found: text === undefined ? 'nothing' : 'other rules' })
      try {
        await this.#restore(text !== undefined)
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
  async #restore(tableIsThere: boolean): Promise<void> {
    const { held, report } = this.#options
    const { zones } = this.#guard
    // If only the rules are gone, the sets know best.
    const still = tableIsThere ? ((await this.list())?.live ?? []) : []
    // Until all is done, so that a heartbeat takes it up where this fails.
    this.#intact = ''
    await this.#replace([])
    const doors = held.recent()
    const admitted = seeds(
      await readFlows(),
      zones,
      (zone, flow) => !hasPort(zone.cutPorts, flow) && admits(doors, zone, flow),
    )
    const live = [...carried([...this.#living.list(), ...still], zones), ...admitted]
    for (const command of fillCommands([], live)) await this.write(command)
    this.#living.set(() => live)
    await this.#remember()
    report({ kind: 'guard-restored', openings: held.size, flows: live.length })
  }

  async #takeCensus(): Promise<void> {
    const { nft, held } = this.#options
    if (this.#stopped) return
    const restart = held.restartRecent()
    const text = await printTable(command => nft.readAll(command)).catch(() => undefined)
    if (text !== undefined) this.#living.setListed(text)
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
