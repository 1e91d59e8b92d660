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
    const gone = [...before].filter(([name, door]) => after.get(name) !== door)
    const fresh = [...after].filter(([name, door]) => before.get(name) !== door)
    // A gate may take over a port from one that goes, so the old ones let go of theirs first.
    await Promise.all(gone.map(([, { forwarder }]) => forwarder.close()))
    try {
      await this.#listen(fresh)
    } catch (error) {
      await this.#listen(gone)
      throw error
    }
    this.#doors = after
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

  #makeDoors(services: Iterable<Service>, before?: ReadonlyMap<string, Door>): Map<string, Door> {
    const doors = new Map<string, Door>()
    for (const service of services) {
      if (!service.gate) continue
      const kept = before?.get(service.name)
      doors.set(
        service.name,
        kept && sameGate(kept, service) ? kept : this.#makeDoor(service, service.gate),
      )
    }
    return doors
  }

  #makeDoor(service: Service, settings: GateSettings): Door {
    const { clock, limits = GATE_LIMITS } = this.#parts
    const admissions = new Admissions(clock)
    const forwarder = new Forwarder({
      settings,
      limits,
      admits: source => admissions.admits(source),
      onTrouble: this.#troubleLog(service.name),
    })
    return { settings, admissions, forwarder, cutsOnClose: service.onExpiry === 'cut' }
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

const sameGate = ({ settings, cutsOnClose }: Door, { gate, onExpiry }: Service): boolean =>
  isDeepStrictEqual(settings, gate) && cutsOnClose === (onExpiry === 'cut')

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
