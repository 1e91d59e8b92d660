import { isDeepStrictEqual } from 'node:util'
import { contains } from '@oneknock/shared'
import type { Clock } from '../core/clock.ts'
import type { Endpoint, GateSettings, Service } from '../core/directory.ts'
import type { Opening } from '../core/openings.ts'
import { Admissions } from './admissions.ts'
import { Forwarder, GATE_LIMITS, type GateLimits } from './forwarder.ts'
import {
  type CuttingHook,
  type HookConfig,
  HookError,
  type HookLog,
  type LivingHook,
} from './hook.ts'

export interface GateParts {
  /** Those without a gate of their own are left to other hooks. */
  readonly services: Iterable<Service>
  readonly clock: Clock
  readonly log: HookLog
  readonly limits?: GateLimits
}

/** Milliseconds between two lines about one service's troubles, however many people run into them. */
const TROUBLE_INTERVAL = 10_000

/**
 * The embedded gate: a TCP forwarder for each service that has one, which takes connections only
 * from addresses with an opening. It needs no root and no firewall, but it completes a stranger's
 * handshake before it hangs up.
 */
export class GateHook implements LivingHook, CuttingHook {
  readonly name = 'gate'
  readonly #parts: GateParts
  #doors: ReadonlyMap<string, Door>
  #listening = false

  constructor(parts: GateParts) {
    this.#parts = parts
    this.#doors = this.#makeDoors(parts.services)
  }

  /** All of the gates listen, or none. */
  async start(): Promise<void> {
    await this.#listen(this.#doors)
    this.#listening = true
  }

  /** A gate that stays as it is keeps its openings and its connections; one that changes does not. */
  async configure({ services }: HookConfig): Promise<void> {
    const before = this.#doors
    const after = this.#makeDoors(services, before)
    const gone = without(before, after)
    const fresh = without(after, before)
    // A gate may take over a port from one that goes, which lets go of nothing else before all is well.
    for (const [, { forwarder }] of gone) forwarder.pause()
    try {
      await this.#listen(fresh)
    } catch (error) {
      for (const door of gone) await this.#listenAgain(door)
      throw error
    }
    this.#doors = after
    await Promise.all(gone.map(([, { forwarder }]) => forwarder.close()))
  }

  /** Ends every connection: they run through this process. */
  async stop(): Promise<void> {
    this.#listening = false
    await Promise.all(
      [...this.#doors.values()].map(async ({ admissions, forwarder }) => {
        admissions.clear()
        await forwarder.close()
      }),
    )
  }

  async open(opening: Opening): Promise<void> {
    const door = this.#doors.get(opening.service)
    if (!door) {
      const line = `service ${opening.service} has no gate: add services.${opening.service}.gate, or name another backend`
      throw new HookError(this.name, 'unknown-service', line)
    }
    if (!this.#listening) {
      throw new HookError(this.name, 'unavailable', 'the gates do not listen: start them first')
    }
    door.admissions.set(opening)
  }

  async close(opening: Opening): Promise<void> {
    const door = this.#doors.get(opening.service)
    door?.admissions.delete(opening)
    if (door?.cutsOnClose) await this.cut(opening)
  }

  async cut({ service, network }: Opening): Promise<void> {
    const door = this.#doors.get(service)
    door?.forwarder.drop(
      source => contains(network, source) && !door.admissions.admits(source, network),
    )
  }

  async list(): Promise<readonly Opening[]> {
    return [...this.#doors.values()].flatMap(({ admissions }) => admissions.list())
  }

  /** Where a service's gate listens, once it does. */
  endpoint(service: string): Endpoint | undefined {
    return this.#doors.get(service)?.forwarder.endpoint()
  }

  async #listen(doors: Iterable<readonly [string, Door]>): Promise<void> {
    const listening: Forwarder[] = []
    try {
      for (const [name, { settings, forwarder }] of doors) {
        await forwarder.listen().catch(error => {
          throw new HookError(this.name, 'unavailable', cannotListen(name, settings.listen, error))
        })
        listening.push(forwarder)
      }
    } catch (error) {
      await Promise.all(listening.map(forwarder => forwarder.close()))
      throw error
    }
  }

  /** If it cannot, the next configuration makes it anew. */
  async #listenAgain(door: readonly [string, Door]): Promise<void> {
    await this.#listen([door]).catch(({ message }) =>
      this.#parts.log({ hook: this.name, service: door[0] }, message),
    )
  }

  #makeDoors(services: Iterable<Service>, before?: ReadonlyMap<string, Door>): Map<string, Door> {
    const doors = new Map<string, Door>()
    for (const service of services) {
      const { name, gate } = service
      if (!gate) continue
      const kept = before?.get(name)
      const door = kept && isStill(kept, gate) ? kept : this.#makeDoor(name, gate)
      doors.set(name, { ...door, cutsOnClose: service.onExpiry === 'cut' })
    }
    return doors
  }

  #makeDoor(service: string, settings: GateSettings): Omit<Door, 'cutsOnClose'> {
    const { clock, limits = GATE_LIMITS } = this.#parts
    const admissions = new Admissions(clock)
    const forwarder = new Forwarder({
      settings,
      limits,
      admits: source => admissions.admits(source),
      onTrouble: this.#troubleLog(service),
    })
    return { settings, admissions, forwarder }
  }

  #troubleLog(service: string): (line: string) => void {
    const { clock, log } = this.#parts
    let quietUntil = Number.NEGATIVE_INFINITY
    return line => {
      const now = clock.monotonic()
      if (now < quietUntil) return
      quietUntil = now + TROUBLE_INTERVAL
      log({ hook: this.name, service }, `gate of service ${service}: ${line}`)
    }
  }
}

interface Door {
  readonly settings: GateSettings
  readonly admissions: Admissions
  readonly forwarder: Forwarder
  readonly cutsOnClose: boolean
}

const isStill = ({ settings, forwarder }: Door, gate: GateSettings): boolean =>
  isDeepStrictEqual(settings, gate) && forwarder.endpoint() !== undefined

/** The doors of `these` whose forwarder is not one of `others`. */
const without = (these: ReadonlyMap<string, Door>, others: ReadonlyMap<string, Door>) =>
  [...these].filter(([name, { forwarder }]) => others.get(name)?.forwarder !== forwarder)

function cannotListen(service: string, { host, port }: Endpoint, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const where = `the gate of service ${service} cannot listen on ${host} port ${port}`
  const setting = `services.${service}.gate.listen`
  switch (code) {
    case 'EADDRINUSE':
      return `${where}: another program has the port; stop it or change ${setting}`
    case 'EACCES':
      return `${where}: not permitted; give the daemon CAP_NET_BIND_SERVICE or a port from 1024 up in ${setting}`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${where}: this host has no such address; change ${setting}`
    default:
      return `${where}: ${message}`
  }
}
