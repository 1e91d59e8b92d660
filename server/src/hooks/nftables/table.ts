import { familyOf, familyPrefix, type Network } from '@oneknock/shared'
import type { Clock } from '../../core/clock.ts'
import { HookError } from '../hook.ts'
import { fillCommands, type LiveElement, openSet, TABLE } from './elements.ts'
import type { Report } from './events.ts'
import { admits, type Held } from './held.ts'
import { type Listing, parseListing, skeleton } from './listing.ts'
import type { NftRunner } from './nft.ts'
import { type Guard, renderCommand } from './ruleset.ts'
import { carried, newlyGuarded, seeds } from './seeds.ts'
import { readFlows } from './sockets.ts'
import { declareCommand } from './zone-chains.ts'
import { hasPort, SINGLE, type Zone } from './zones.ts'

/** Milliseconds between looks at the table: a second without a guard is the most that may be. */
const BEAT = 1_000
/** A look takes longer the more flows are live; it is given at most this part of the time. */
const BEAT_SHARE = 10

export interface TableOptions {
  readonly guard: Guard
  readonly held: Held
  readonly nft: NftRunner
  readonly clock: Clock
  readonly report: Report
}

/** The guard as it was last seen whole, and for whom. */
interface Intact {
  readonly skeleton: string
  readonly text: string
  readonly doors: ReadonlySet<string>
}

/** The one table in the kernel: put up whole, looked after, and put back when somebody takes it. */
export class GuardTable {
  readonly #options: TableOptions
  #guard: Guard
  #declared = new Set<string>()
  #intact: Intact | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #nextCheck: Promise<boolean> | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #complaint = ''

  constructor(options: TableOptions) {
    this.#options = options
    this.#guard = options.guard
  }

  /**
   * Puts the guard up. Who was in by a table of an earlier run stays in, for as long as it said;
   * who talks to a port that was not guarded before goes on talking.
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      const { held, clock, nft, report } = this.#options
      const before = await this.#read()
      const now = clock.now()
      if (before) for (const opening of held.recognise(before.open, now)) held.put(opening)
      const flows = await this.#takeTheirPlace(before)
      report({ kind: 'guard-up', adopted: before !== undefined, openings: held.size, flows })
      nft.watch(() => void this.check())
      this.#beatLater(BEAT)
    })
  }

  /** Takes up another configuration, whole or not at all. */
  change(guard: Guard): Promise<void> {
    return this.#inTurn(async () => {
      const before = await this.#read()
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
    return (
      prefix === SINGLE[familyOf(network.address)] ||
      this.#declared.has(openSet(zone.name, network))
    )
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

  /** What the table holds; nothing if it is not there. */
  async read(): Promise<Listing> {
    return (await this.#read()) ?? { open: [], live: [], guarded: new Map() }
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
    clearTimeout(this.#timer)
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
    const old = before ? carried(before, zones) : []
    const found = seeds(await readFlows(), zones, newlyGuarded(before))
    return this.#putUp([...old, ...found])
  }

  async #putUp(live: readonly LiveElement[]): Promise<number> {
    const { nft, held, clock } = this.#options
    const open = held.elements(clock.now())
    this.#declared = new Set(open.map(({ zone, network }) => openSet(zone, network)))
    await nft.write(renderCommand(this.#guard, this.#declared, fillCommands(open, live)))
    await this.#remember()
    return live.length
  }

  /** What the table looks like now is what it should look like. */
  async #remember(): Promise<void> {
    const text = await this.#list()
    if (text === undefined) {
      throw new HookError('nftables', 'failed', 'the guard was taken away as soon as it was up')
    }
    this.#intact = this.#seen(text)
  }

  #beatLater(pause: number): void {
    const { clock } = this.#options
    this.#timer = setTimeout(async () => {
      const started = clock.monotonic()
      await this.check()
      const took = clock.monotonic() - started
      if (!this.#stopped) this.#beatLater(Math.max(BEAT, took * (BEAT_SHARE - 1)))
    }, pause)
  }

  async #look(): Promise<boolean> {
    if (this.#stopped) return false
    const { report, held, clock } = this.#options
    let text: string | undefined
    try {
      text = await this.#list()
    } catch (error) {
      this.#complain('guard-unseen', error)
      return false
    }
    if (text !== undefined && skeleton(text) === this.#intact?.skeleton) {
      held.prune(clock.now())
      this.#intact = this.#seen(text)
      this.#complaint = ''
      return true
    }
    report({ kind: 'guard-lost', found: text === undefined ? 'nothing' : 'other rules' })
    return this.#restore(text ?? '')
  }

  /**
   * While the guard was away anybody could get in, so not every socket may go on: only flows that
   * were live when it was last seen, and those that some opening admitted since.
   */
  async #restore(text: string): Promise<boolean> {
    const { held, report } = this.#options
    const { zones } = this.#guard
    const known = [text, this.#intact?.text ?? ''].flatMap(listing =>
      carried(parseListing(listing), zones),
    )
    const doors = new Set([...held.doors(), ...(this.#intact?.doors ?? [])])
    const admitted = seeds(
      await readFlows(),
      zones,
      (zone, flow) => !hasPort(zone.cutPorts, flow) && admits(doors, zone, flow),
    )
    try {
      const flows = await this.#putUp([...known, ...admitted])
      report({ kind: 'guard-restored', openings: held.size, flows })
      this.#complaint = ''
      return true
    } catch (error) {
      this.#complain('guard-down', error)
      return false
    }
  }

  #seen(text: string): Intact {
    return { skeleton: skeleton(text), text, doors: this.#options.held.doors() }
  }

  /** Once, not with every beat. */
  #complain(kind: 'guard-unseen' | 'guard-down', error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    if (message !== this.#complaint) this.#options.report({ kind, message })
    this.#complaint = message
  }

  async #read(): Promise<Listing | undefined> {
    const text = await this.#list()
    return text === undefined ? undefined : parseListing(text)
  }

  async #list(): Promise<string | undefined> {
    try {
      return await this.#options.nft.read(`list table ${TABLE}`)
    } catch (error) {
      if (error instanceof HookError && error.message.includes('No such file or directory')) {
        return undefined
      }
      throw error
    }
  }
}
