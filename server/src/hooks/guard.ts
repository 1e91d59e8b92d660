import { formatNetwork } from '@oneknock/shared'
import type { Clock } from '../core/clock.ts'
import type { Opening } from '../core/openings.ts'
import { Cutter } from './guard/cut.ts'
import type { Report } from './guard/events.ts'
import { hasEnded } from './guard/flows.ts'
import { Held } from './guard/held.ts'
import type { Guard, GuardKernel } from './guard/kernel.ts'
import { GuardTable } from './guard/table.ts'
import type { Trial } from './guard/trial-clock.ts'
import { zonesOf } from './guard/zones.ts'
import { type CuttingHook, type HookConfig, HookError, type ReopeningHook } from './hook.ts'

export interface GuardParts extends HookConfig {
  readonly clock: Clock
  readonly report: Report
  /** However the guard of an earlier run says, unless it is told otherwise. */
  readonly trial?: Trial
}

interface Running {
  readonly kernel: GuardKernel
  readonly table: GuardTable
  readonly cutter: Cutter
}

/**
 * Guards ports in the kernel, and opens them by elements of sets with the kernel's timeouts: a grant
 * ends on time even if this process does not live to see it. Each kind says how it is written there.
 */
export abstract class GuardHook implements ReopeningHook, CuttingHook {
  abstract readonly name: string
  readonly #parts: GuardParts
  readonly #held: Held
  #running: Running | undefined

  constructor(parts: GuardParts) {
    this.#parts = parts
    this.#held = new Held(guardOf(parts).zones)
  }

  /** With children of its own, if it needs any. */
  protected abstract makeKernel(): GuardKernel

  async start(): Promise<void> {
    await this.startWith([])
  }

  async startWith(wanted: readonly Opening[]): Promise<readonly Opening[]> {
    for (const opening of wanted) if (this.#held.fits(opening)) this.#held.put(opening)
    try {
      await this.#putUp()
    } catch (error) {
      if (wanted.length === 0 || !isRefusal(error)) throw error
      // If it is for one of them, that one is to fail alone: `open` will tell which.
      for (const opening of wanted) this.#held.remove(opening)
      await this.#putUp()
    }
    return this.#held.list()
  }

  async #putUp(): Promise<void> {
    const { clock, report, trial = 'as found' } = this.#parts
    const kernel = this.makeKernel()
    const guard = guardOf(this.#parts)
    const table = new GuardTable({ guard, held: this.#held, kernel, clock, report, trial })
    try {
      await table.start()
    } catch (error) {
      await kernel.stop()
      throw error
    }
    this.#running = { kernel, table, cutter: new Cutter(table, report) }
  }

  /** Ends the children. The guard stays: whoever stops the daemon opens nothing. */
  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.table.stop()
    await running?.kernel.stop()
  }

  async configure(config: HookConfig): Promise<void> {
    await this.#up().table.change(guardOf(config))
  }

  /** Guards what it guards for so many milliseconds, and then lets go, unless it is told to stay. */
  tryFor(ms: number): Promise<void> {
    return this.#up().table.onTrial(ms)
  }

  /** Stays for good, whether it was on trial or had let go. */
  stay(): Promise<void> {
    return this.#up().table.onTrial('for good')
  }

  /** Milliseconds until a trial ends, 0 if it has; `undefined` if there is none. */
  get trialLeft(): number | undefined {
    return this.#up().table.trial.left
  }

  async open(opening: Opening): Promise<void> {
    this.#up()
    this.#mustFit(opening)
    const before = this.#held.get(opening)
    const fresh = !this.#held.holds(opening)
    this.#held.put(opening)
    try {
      await this.#settle(opening, fresh)
    } catch (error) {
      if (before) this.#held.put(before)
      else this.#held.remove(opening)
      throw error
    }
  }

  async close(opening: Opening): Promise<void> {
    this.#up()
    this.#held.remove(opening)
    await this.#settle(opening, false)
    if (this.#held.place(opening.service)?.service.onExpiry === 'cut') await this.cut(opening)
  }

  async list(): Promise<readonly Opening[]> {
    const listing = await this.#up().table.list()
    return this.#held.recognise(listing?.open ?? [], this.#parts.clock.now())
  }

  /** Forgets the flows that it let in and resets their sockets. What another opening admits stays. */
  async cut(opening: Opening): Promise<void> {
    const { cutter } = this.#up()
    const place = this.#held.place(opening.service)
    if (!place) return
    const { zone, service } = place
    const { network } = opening
    await cutter.cut(() => ({
      zone,
      network,
      ports: service.ports.map(port => ({
        port,
        except: this.#held.rivals(opening, port, zone).map(rival => rival.network),
      })),
    }))
  }

  /** Makes the kernel say what `held` says about an opening. */
  async #settle(opening: Opening, fresh: boolean): Promise<void> {
    try {
      await this.#write(opening, fresh)
    } catch (error) {
      // The guard may be gone: then it is put back now, not with the next heartbeat.
      if (!isRefusal(error)) throw error
      if (!(await this.#up().table.check())) throw error
      await this.#write(opening, false)
    }
  }

  async #write(opening: Opening, fresh: boolean): Promise<void> {
    const { table, kernel } = this.#up()
    const { zone } = this.#held.place(opening.service) ?? {}
    if (!zone) return
    const elements = this.#held.elementsOf(opening, this.#parts.clock.now())
    const opens = elements.some(({ remaining }) => !hasEnded(remaining))
    if (opens) await table.declare(zone, opening.network)
    else if (!kernel.declares(zone, opening.network)) return
    await kernel.open(elements, fresh)
  }

  #up(): Running {
    if (this.#running) return this.#running
    throw new HookError(this.name, 'unavailable', 'the guard is not up: start it first')
  }

  #mustFit(opening: Opening): void {
    if (this.#held.fits(opening)) return
    const { service, network } = opening
    if (this.#held.place(service)) {
      const line = `${service} allows no prefix as wide as ${formatNetwork(network)}: see its max_prefix`
      throw new HookError(this.name, 'failed', line)
    }
    const line = `service ${service} has no ports for the firewall to open: add services.${service}.ports`
    throw new HookError(this.name, 'unknown-service', line)
  }
}

const isRefusal = (error: unknown): boolean => error instanceof HookError && error.code === 'failed'

const guardOf = ({ services, allow, spaPorts, ifDead }: HookConfig): Guard => ({
  zones: zonesOf(services),
  allow,
  spaPorts,
  ifDead,
})
