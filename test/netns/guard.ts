import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Service } from '../../server/src/core/directory.ts'
import type { Opening } from '../../server/src/core/openings.ts'
import type { GuardEvent } from '../../server/src/hooks/guard/events.ts'
import type { HookConfig } from '../../server/src/hooks/hook.ts'
import { type CuttingHook, HookError, type ReopeningHook } from '../../server/src/hooks/hook.ts'
import type { Namespace } from './namespace.ts'
import { type GuardBackend, unprivileged } from './rights.ts'
import { Remote } from './rpc.ts'

export interface GuardOptions extends Partial<HookConfig> {
  /** nftables, unless told otherwise. */
  readonly backend?: GuardBackend
  /** Put before the PATH, to have another `nft` found. */
  readonly path?: string
  /** Whether it has CAP_NET_ADMIN, as the daemon needs it; it has, unless told otherwise. */
  readonly capable?: boolean
}

/** A guard's hook as its own process in a namespace: as the daemon runs it, and as it can be killed. */
export class Guard implements ReopeningHook, CuttingHook {
  readonly name: GuardBackend
  readonly events: GuardEvent[] = []
  readonly #process: ChildProcess
  readonly #remote: Remote
  readonly #settings: HookConfig

  constructor(namespace: Namespace, program: string, options: GuardOptions) {
    const {
      path,
      capable = true,
      backend = 'nftables',
      services = [],
      allow = [],
      spaPorts = [],
      ifDead,
    } = options
    this.name = backend
    this.#settings = {
      services: [...services],
      allow,
      spaPorts,
      ...(ifDead !== undefined && { ifDead }),
    }
    this.#process = namespace.spawn(
      [...unprivileged(capable ? backend : undefined), process.execPath, program],
      {
        env: { ...process.env, PATH: [path, process.env.PATH].filter(Boolean).join(':') },
      },
    )
    this.#remote = new Remote(this.#process, event => this.events.push(event as GuardEvent))
  }

  get pid(): number {
    return this.#process.pid!
  }

  /** The processes of nft that it keeps: `-i` takes commands, `monitor` only listens. */
  children(argument = ''): number[] {
    const { pid } = this
    const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
    return listed
      .split(' ')
      .filter(Boolean)
      .map(Number)
      .filter(child => readFileSync(`/proc/${child}/cmdline`, 'latin1').includes(argument))
  }

  kinds(): GuardEvent['kind'][] {
    return this.events.map(({ kind }) => kind)
  }

  start(): Promise<void> {
    return this.#call('start', this.#settings, this.name)
  }

  startWith(wanted: readonly Opening[]): Promise<readonly Opening[]> {
    return this.#call('startWith', this.#settings, this.name, wanted)
  }

  /** Lets the hook stop, and then its process end. */
  async stop(): Promise<void> {
    await this.#call('stop')
    this.#process.stdin!.end()
    await this.#ended()
  }

  /** The way that nothing can be done against. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended()
  }

  /** Holds the process, so that it sees nothing of what happens until it may go on. */
  pause(): void {
    this.#process.kill('SIGSTOP')
  }

  resume(): void {
    this.#process.kill('SIGCONT')
  }

  open(opening: Opening): Promise<void> {
    return this.#call('open', opening)
  }

  close(opening: Opening): Promise<void> {
    return this.#call('close', opening)
  }

  cut(opening: Opening): Promise<void> {
    return this.#call('cut', opening)
  }

  list(): Promise<readonly Opening[]> {
    return this.#call('list')
  }

  configure(settings: Partial<HookConfig> & { services: readonly Service[] }): Promise<void> {
    return this.#call('configure', { ...this.#settings, ...settings })
  }

  async #call<T>(method: string, ...args: unknown[]): Promise<T> {
    try {
      return await this.#remote.call<T>(method, ...args)
    } catch (error) {
      const { code, message } = error as HookError
      throw new HookError(this.name, code, message)
    }
  }

  async #ended(): Promise<void> {
    const { exitCode, signalCode } = this.#process
    if (exitCode === null && signalCode === null) await once(this.#process, 'exit')
  }
}
