import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../core/clock.ts'
import type { RouterSettings, SecretSource, Service } from '../core/directory.ts'
import { type Opening, openingKey } from '../core/openings.ts'
import {
  type CuttingHook,
  type HookConfig,
  HookError,
  type HookErrorCode,
  type HookLog,
  type LivingHook,
} from './hook.ts'
import { routerApi } from './routeros/api.ts'
import type { Random } from './routeros/credentials.ts'
import type { RouterDoor } from './routeros/door.ts'
import { type IntentFiles, Intents } from './routeros/intents.ts'
import { letterOf, type RouterLetter } from './routeros/letter.ts'
import { ListDoor } from './routeros/list-door.ts'
import { LoginDoor } from './routeros/login-door.ts'
import { httpsTransport, RouterError, type Transport } from './routeros/transport.ts'
import { Turns } from './routeros/turns.ts'

export interface RouterOsParts {
  /** Those without a router are left to other hooks. */
  readonly services: Iterable<Service>
  readonly clock: Clock
  readonly log: HookLog
  /** The state folder: what logins there are is on record in it. */
  readonly state: string
  readonly readSecret: (source: SecretSource) => string
  /** Brings it to the user on a channel; rejects if it cannot. */
  readonly deliver: (channel: string, user: string, letter: RouterLetter) => Promise<void>
  readonly random?: Random
  readonly files?: IntentFiles
  readonly transport?: (settings: RouterSettings) => Transport
}

/** Milliseconds within which a router that started anew has its entries again. */
const REPAIR_INTERVAL = 30_000

/**
 * Opens on MikroTik routers: an entry in an address list, or a login of the router's own. Neither is
 * left behind, whatever happens to daemon or router: each service's door knows how.
 */
export class RouterOsHook implements LivingHook, CuttingHook {
  readonly name = 'routeros'
  readonly #parts: RouterOsParts
  readonly #intents: Intents
  readonly #turns = new Turns()
  #doors: ReadonlyMap<string, Guarded> = new Map()
  /** The last trouble of each service, so that it is said once. */
  readonly #troubles = new Map<string, string>()
  #timer: NodeJS.Timeout | undefined

  constructor(parts: RouterOsParts) {
    this.#parts = parts
    this.#intents = new Intents(join(parts.state, 'routeros'), parts.files ?? fs)
  }

  /** Does not wait for the routers: one that is off keeps nobody else's door shut. */
  async start(): Promise<void> {
    const doors = this.#doorsOf(this.#parts.services)
    const unreadable = await this.#onRecord(this.#intents.load())
    await this.#nameInstance(doors)
    this.#doors = doors
    for (const file of unreadable) this.#say(`${file} is no record of a login; remove it`)
    this.#sayOrphans()
    this.#timer = setInterval(() => void this.repair(), REPAIR_INTERVAL)
    void this.repair()
  }

  /** What a service opened on another router, or in another way, is closed there first. */
  async configure({ services }: HookConfig): Promise<void> {
    const before = this.#doors
    const after = this.#doorsOf(services)
    await this.#nameInstance(after)
    for (const [name, { door, settings }] of before) {
      if (after.get(name)?.door === door) continue
      const closed = closeAll(door, (opening, close) => this.#inTurn(opening, close))
      // A router that is gone for good keeps entries for their time at most, but a login for ever.
      await (settings.opens.kind === 'login' ? closed : this.#tried(name, () => closed))
    }
    this.#doors = after
  }

  /** What is open stays so; logins are on record. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
  }

  async open(opening: Opening): Promise<void> {
    const guarded = this.#doors.get(opening.service)
    if (!guarded) {
      const { service } = opening
      const line = `service ${service} has no router: add services.${service}.routeros, or name another backend`
      throw this.#error('unknown-service', line)
    }
    await this.#inTurn(opening, () => guarded.door.open(opening))
  }

  async close(opening: Opening): Promise<void> {
    const guarded = this.#doors.get(opening.service)
    if (!guarded) return
    const { door, cutsOnClose } = guarded
    await this.#inTurn(opening, async () => {
      await door.close(opening)
      if (cutsOnClose) await door.cut(opening)
    })
  }

  async cut(opening: Opening): Promise<void> {
    const door = this.#doors.get(opening.service)?.door
    if (door) await this.#inTurn(opening, () => door.cut(opening))
  }

  /** A router that does not answer now is seen to by the repairs. */
  async list(): Promise<readonly Opening[]> {
    const lists = await Promise.all(
      [...this.#doors].map(([name, { door }]) => this.#tried(name, () => door.list())),
    )
    return lists.flatMap(list => list ?? [])
  }

  async repair(): Promise<void> {
    await Promise.all(
      [...this.#doors].map(([name, { door }]) => this.#tried(name, () => door.repair())),
    )
  }

  async #nameInstance(doors: ReadonlyMap<string, Guarded>): Promise<void> {
    const { random = randomBytes } = this.#parts
    if (doors.size > 0) await this.#onRecord(this.#intents.nameInstance(random))
  }

  #onRecord<T>(work: Promise<T>): Promise<T> {
    return work.catch(({ message }) => {
      throw this.#error('unavailable', `logins cannot be kept on record: ${message}`)
    })
  }

  #doorsOf(services: Iterable<Service>): Map<string, Guarded> {
    const doors = new Map<string, Guarded>()
    for (const { name, routeros: settings, onExpiry } of services) {
      if (!settings) continue
      const kept = this.#doors.get(name)
      const isSame = kept !== undefined && isDeepStrictEqual(kept.settings, settings)
      const door = isSame ? kept.door : this.#makeDoor(name, settings)
      doors.set(name, { settings, door, cutsOnClose: onExpiry === 'cut' })
    }
    return doors
  }

  #makeDoor(service: string, settings: RouterSettings): RouterDoor {
    const { clock, readSecret, deliver, random = randomBytes } = this.#parts
    const password = () => readSecret(settings.password)
    try {
      password()
    } catch (error) {
      throw this.#error('unavailable', (error as Error).message)
    }
    const transport = this.#parts.transport?.(settings) ?? httpsTransport({ settings, password })
    const instance = () => this.#intents.instance
    const say = (line: string) => this.#say(`service ${service}: ${line}`)
    const parts = { service, api: routerApi(transport), clock, instance, turns: this.#turns, say }
    const { url, opens } = settings
    if (opens.kind === 'list') return new ListDoor(parts, opens.list)
    return new LoginDoor({
      ...parts,
      url,
      group: opens.group,
      intents: this.#intents,
      random,
      deliver: credentials => deliver(opens.deliver, credentials.user, letterOf(credentials)),
    })
  }

  /** Logins on a router that the configuration no longer names: nobody here has the right to remove them. */
  #sayOrphans(): void {
    for (const { name, url, opening } of this.#intents.list()) {
      const settings = this.#doors.get(opening.service)?.settings
      if (settings?.url === url && settings.opens.kind === 'login') continue
      this.#say(
        `router ${url} may still have the login ${name} of ${opening.service}, which is configured no longer: remove it there, then its file in the state folder`,
      )
    }
  }

  #inTurn<T>(opening: Opening, work: () => Promise<T>): Promise<T> {
    return this.#turns.take(openingKey(opening), work).catch(error => {
      throw this.#worded(error)
    })
  }

  /** Says a trouble when it begins, changes and ends. */
  async #tried<T>(service: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const value = await work()
      if (this.#troubles.delete(service)) this.#say(`service ${service}: its router is well again`)
      return value
    } catch (error) {
      const { message } = this.#worded(error)
      if (this.#troubles.get(service) !== message) this.#say(`service ${service}: ${message}`)
      this.#troubles.set(service, message)
      return undefined
    }
  }

  #worded(error: unknown): HookError {
    if (error instanceof HookError) return error
    const message = error instanceof Error ? error.message : `${error}`
    return this.#error(error instanceof RouterError ? codeOf(error) : 'failed', message)
  }

  #say(line: string): void {
    this.#parts.log({ hook: this.name }, line)
  }

  #error(code: HookErrorCode, message: string): HookError {
    return new HookError(this.name, code, message)
  }
}

interface Guarded {
  readonly settings: RouterSettings
  readonly door: RouterDoor
  readonly cutsOnClose: boolean
}

async function closeAll(
  door: RouterDoor,
  inTurn: (opening: Opening, close: () => Promise<void>) => Promise<void>,
): Promise<void> {
  for (const opening of await door.list()) await inTurn(opening, () => door.close(opening))
}

function codeOf({ code }: RouterError): HookErrorCode {
  switch (code) {
    case 'timeout':
      return 'timeout'
    case 'unreachable':
    case 'untrusted':
      return 'unavailable'
    default:
      return 'failed'
  }
}
