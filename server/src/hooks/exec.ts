import { formatNetwork } from '@oneknock/shared'
import { ownCommand } from '../config/command.ts'
import type { Clock } from '../core/clock.ts'
import type { ExecSettings, Service } from '../core/directory.ts'
import { type Opening, openingKey } from '../core/openings.ts'
import { dropCapabilities } from './capabilities.ts'
import { type Outcome, runCommand } from './command.ts'
import { COMMAND_PATH, commandFor, type ExecEvent } from './exec/environment.ts'
import { giveOrder } from './exec/order.ts'
import {
  type HookConfig,
  HookError,
  type HookErrorCode,
  type HookLog,
  type LivingHook,
} from './hook.ts'
import { Slots } from './slots.ts'

export interface ExecParts {
  /** Those without commands of their own are left to other hooks. */
  readonly services: Iterable<Service>
  readonly clock: Clock
  readonly log: HookLog
  /** Where the helper listens, for commands that run as another account. */
  readonly helperSocket?: string
}

/** Commands at once. Enough that a few slow ones delay nobody, few enough for a small host. */
export const COMMANDS_AT_ONCE = 16
/** Milliseconds to wait for room: nobody still watches the knock after that. */
const WAIT_LIMIT = 30_000

/**
 * Opens and closes by running commands. `open` is run once for each opening and `close` once it is
 * over; renewing only moves the end. After a restart nothing is known of what ran before, so the
 * ledger's living openings are opened again and the ended ones closed: commands must bear that.
 */
export class ExecHook implements LivingHook {
  readonly name = 'exec'
  readonly #parts: ExecParts
  #settings: ReadonlyMap<string, ExecSettings>
  readonly #held = new Map<string, Held>()
  readonly #turns = new Map<string, Promise<void>>()
  #running: Running | undefined

  constructor(parts: ExecParts) {
    this.#parts = parts
    this.#settings = settingsOf(parts.services)
  }

  async start(): Promise<void> {
    const prefix = await dropCapabilities(COMMAND_PATH).catch(({ message }) => {
      throw this.#error('unavailable', message)
    })
    this.#running = new Running(prefix)
  }

  /**
   * What was opened is closed by the commands of then. Those of services that are gone stay known:
   * what they opened in an earlier run has still to be closed.
   */
  async configure({ services }: HookConfig): Promise<void> {
    this.#settings = new Map([...this.#settings, ...settingsOf(services)])
  }

  /** Waits for the commands that run, each until its time limit. What is open stays so. */
  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.end(this.#notRunning())
  }

  open(opening: Opening): Promise<void> {
    return this.#inTurn(opening, async settings => {
      const key = openingKey(opening)
      if (this.#held.get(key)?.opened) this.#held.set(key, { opening, opened: true, settings })
      else await this.#run('open', settings, opening)
    })
  }

  close(opening: Opening): Promise<void> {
    return this.#inTurn(opening, settings => this.#run('close', settings, opening))
  }

  /** What was opened and not closed since the start, and what may be half open: its command failed. */
  async list(): Promise<readonly Opening[]> {
    return [...this.#held.values()].map(({ opening }) => opening)
  }

  #settingsOf(opening: Opening): ExecSettings {
    const { service } = opening
    const settings = this.#held.get(openingKey(opening))?.settings ?? this.#settings.get(service)
    if (settings) return settings
    const line = `service ${service} has no commands: add services.${service}.exec, or name another backend`
    throw this.#error('unknown-service', line)
  }

  /** A caller that gave up on a slow `open` may ask for `close`: that must not overtake it. */
  async #inTurn(opening: Opening, work: (settings: ExecSettings) => Promise<void>): Promise<void> {
    const key = openingKey(opening)
    const before = this.#turns.get(key)
    const start = () => work(this.#settingsOf(opening))
    const turn = before ? before.then(start) : start()
    const settled = turn.catch(() => {})
    this.#turns.set(key, settled)
    await turn.finally(() => {
      if (this.#turns.get(key) === settled) this.#turns.delete(key)
    })
  }

  async #run(event: ExecEvent, settings: ExecSettings, opening: Opening): Promise<void> {
    if (!this.#running) throw this.#notRunning()
    const { prefix } = this.#running
    const key = openingKey(opening)
    await this.#running.use(
      settings,
      opening.service,
      async () => {
        const left = opening.until - this.#parts.clock.now()
        if (event === 'open' && left <= 0) return
        // Whatever comes of the command, the next `open` has to run it again.
        if (event === 'open' || this.#held.has(key)) {
          this.#held.set(key, { opening, opened: false, settings })
        }
        const argv = settings[event]
        if (argv.length > 0) {
          const command = commandFor(argv, event, opening, left)
          const outcome = settings.as
            ? await this.#order(event, opening, settings)
            : await runCommand({ ...settings, ...command, argv: [...prefix, ...command.argv] })
          this.#judge(event, opening, settings, outcome)
        }
        if (event === 'open') this.#held.set(key, { opening, opened: true, settings })
        else this.#held.delete(key)
      },
      count => this.#error('timeout', noRoom(count, event, opening.service)),
    )
  }

  /** Has the helper run it, which knows itself what to run and as whom. */
  async #order(event: ExecEvent, opening: Opening, { timeLimit, as }: ExecSettings) {
    const order = { event, opening }
    const path = this.#parts.helperSocket ?? ''
    const outcome = await giveOrder(path, order, timeLimit).catch(({ message }: Error) => {
      throw this.#error('failed', message)
    })
    if (outcome) return outcome
    const line = `nobody runs commands as ${as}: start oneknockd-helper.service, or as root run: ${ownCommand('helper')}`
    throw this.#error('unavailable', line)
  }

  #judge(event: ExecEvent, opening: Opening, { timeLimit }: ExecSettings, outcome: Outcome): void {
    const { service } = opening
    const { end, stderr, stdout } = outcome
    const command = `the ${event} command of service ${service}`
    const setting = `services.${service}.exec`
    const words = [stderr, stdout].filter(text => text !== '').join(' ')
    const saying = words && `: ${words}`
    if (end.kind === 'not-started') {
      const line = `${command} cannot be run (${end.reason}): check ${setting}.${event}`
      throw this.#error('failed', line)
    }
    if (end.kind === 'timeout') {
      const line = `${command} was not done within ${timeLimit / 1000} s and was ended; make it faster or raise ${setting}.time_limit${saying}`
      throw this.#error('timeout', line)
    }
    if (end.kind === 'signalled') {
      throw this.#error('failed', `${command} was ended by ${end.signal}${saying}`)
    }
    if (end.status !== 0) {
      throw this.#error('failed', `${command} ended with status ${end.status}${saying}`)
    }
    if (words === '') return
    const fields = { hook: this.name, service, event, network: formatNetwork(opening.network) }
    this.#parts.log(fields, `${command} says${saying}`)
  }

  #notRunning(): HookError {
    return this.#error('unavailable', 'commands are not run before the start or after the stop')
  }

  #error(code: HookErrorCode, message: string): HookError {
    return new HookError(this.name, code, message)
  }
}

const settingsOf = (services: Iterable<Service>): ReadonlyMap<string, ExecSettings> =>
  new Map([...services].flatMap(({ name, exec }) => (exec ? [[name, exec]] : [])))

interface Held {
  readonly opening: Opening
  /** False while `open` has not succeeded: then it is run again. */
  readonly opened: boolean
  /** The commands that opened it. */
  readonly settings: ExecSettings
}

/** Room for commands: so many in all, and so many of a service that says so. */
class Running {
  readonly prefix: readonly string[]
  readonly #all = new Slots(COMMANDS_AT_ONCE, WAIT_LIMIT)
  readonly #own = new Map<string, Slots>()

  constructor(prefix: readonly string[]) {
    this.prefix = prefix
  }

  /** A service's own room first: who waits for that keeps nobody else's. */
  use<T>(
    { atOnce }: ExecSettings,
    service: string,
    work: () => Promise<T>,
    late: (count: number) => Error,
  ): Promise<T> {
    const inAll = () => this.#all.use(work, () => late(COMMANDS_AT_ONCE))
    if (atOnce === undefined) return inAll()
    return this.#slotsOf(service, atOnce).use(inAll, () => late(atOnce))
  }

  async end(reason: Error): Promise<void> {
    await Promise.all([this.#all, ...this.#own.values()].map(slots => slots.end(reason)))
  }

  /** By the number too: a reload may change it while commands run. */
  #slotsOf(service: string, count: number): Slots {
    const key = `${service} ${count}`
    const slots = this.#own.get(key) ?? new Slots(count, WAIT_LIMIT)
    this.#own.set(key, slots)
    return slots
  }
}

const noRoom = (count: number, event: ExecEvent, service: string): string =>
  `${count} ${count === 1 ? 'command runs' : 'commands run'} already, and none ended within ${WAIT_LIMIT / 1000} s, so ${event} of service ${service} was not run; lower the time limits of slow commands`
