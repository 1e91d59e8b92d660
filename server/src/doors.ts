import type { Grant } from './core/grants.ts'
import {
  type Change,
  type IsPersonal,
  type Opening,
  Openings,
  openingKey,
} from './core/openings.ts'
import { type CuttingHook, type Hook, HookError } from './hooks/hook.ts'

/**
 * The longest that a hook may take before it counts as failed. Hooks have shorter limits of their own
 * and can end what they started; this one only keeps a knock from waiting for ever.
 */
export const HOOK_LIMIT_MS = 60_000
/** A hook that could not close is asked again after this long, then twice as long, up to the second. */
export const RETRY_MS = 500
export const RETRY_MAX_MS = 30_000

/** A hook that did not do what it was asked. */
export interface Fault {
  readonly action: Change['action'] | 'cut'
  readonly opening: Opening
  readonly hook: string
  readonly code: HookError['code']
  readonly message: string
}

export interface DoorsOptions {
  readonly hooksOf: (service: string) => readonly Hook[]
  readonly report: (fault: Fault) => void
  readonly limitMs?: number
  readonly isPersonal?: IsPersonal
}

/** One opening's changes, one after the other; different openings never wait for each other. */
interface Lane {
  tail: Promise<unknown>
  waiting: number
  /** Ends the pause before the next try to close. */
  wake: () => void
}

/**
 * Turns grants into what hooks hold open. Opening reports its fault and leaves the rollback to the
 * caller; closing is tried until it succeeds, since a door left open is the one thing not to give up on.
 */
export class Doors {
  readonly #openings: Openings
  readonly #lanes = new Map<string, Lane>()
  readonly #options: DoorsOptions
  #stopped = false

  constructor(options: DoorsOptions) {
    this.#options = options
    this.#openings = new Openings(options.isPersonal)
  }

  list(): Opening[] {
    return this.#openings.list()
  }

  /** Makes what the grant needs open, and waits for it; the first fault, if any. */
  async need(grant: Grant): Promise<Fault | undefined> {
    const changes = this.#openings.set({ ...grant, grant: grant.id })
    const faults = await Promise.all(changes.map(change => this.#enqueue(change)))
    return faults.find(fault => fault !== undefined)
  }

  /**
   * Closes what no other grant needs, and waits until it is closed; false if `stop` came first.
   * `cut` ends the connections too, where a hook can: for someone who is to be out at once.
   */
  async release(grant: string, cut = false): Promise<boolean> {
    const changes = this.#openings.remove(grant)
    const closed = changes.filter(({ action }) => action === 'close')
    const faults = await Promise.all(changes.map(change => this.#enqueue(change)))
    if (cut) await Promise.all(closed.map(({ opening }) => this.#cut(opening)))
    return faults.every(fault => fault === undefined)
  }

  /**
   * After a start: closes what these ended grants had opened and what the hooks hold open, unless a
   * grant that lives needs it; `need` has been called for those. What was revoked is cut, too.
   */
  async settle(
    ended: readonly Grant[],
    revoked: readonly Grant[],
    hooks: readonly Hook[],
  ): Promise<void> {
    const held = await Promise.all(hooks.map(hook => hook.list()))
    const stale = [...ended.flatMap(grant => this.#openings.of(grant)), ...held.flat()]
    await this.#closeUnneeded(stale)
    const cut = revoked.flatMap(grant => this.#openings.of(grant))
    await Promise.all(cut.map(opening => this.#cut(opening)))
  }

  async #closeUnneeded(stale: readonly Opening[]): Promise<void> {
    const unneeded = new Map(
      stale
        .map(opening => [openingKey(opening), opening] as const)
        .filter(([key]) => !this.#openings.get(key)),
    )
    await Promise.all(
      [...unneeded.values()].map(opening => this.#enqueue({ action: 'close', opening })),
    )
  }

  /** Gives up retries; what is open stays with its kernel timeouts, and the ledger knows the rest. */
  stop(): void {
    this.#stopped = true
    for (const lane of this.#lanes.values()) lane.wake()
  }

  async #enqueue(change: Change): Promise<Fault | undefined> {
    const key = openingKey(change.opening)
    const lane = this.#lanes.get(key) ?? { tail: Promise.resolve(), waiting: 0, wake: () => {} }
    this.#lanes.set(key, lane)
    lane.waiting++
    lane.wake()
    const turn = lane.tail.then(() =>
      change.action === 'open' ? this.#open(change.opening) : this.#close(change.opening, lane),
    )
    lane.tail = turn
    const fault = await turn
    lane.waiting--
    if (lane.waiting === 0) this.#lanes.delete(key)
    return fault
  }

  async #open(opening: Opening): Promise<Fault | undefined> {
    for (const hook of this.#options.hooksOf(opening.service)) {
      const fault = await this.#ask(hook, 'open', opening)
      if (fault) return fault
    }
    return undefined
  }

  /** Ends when every hook has closed, or when the opening is needed again; else, at a stop, in a fault. */
  async #close(opening: Opening, lane: Lane): Promise<Fault | undefined> {
    let hooks = this.#options.hooksOf(opening.service)
    for (let pause = RETRY_MS; ; pause = Math.min(pause * 2, RETRY_MAX_MS)) {
      const faults = await Promise.all(hooks.map(hook => this.#ask(hook, 'close', opening)))
      hooks = hooks.filter((_, i) => faults[i])
      const neededAgain = this.#openings.get(openingKey(opening)) !== undefined
      if (hooks.length === 0 || neededAgain) return undefined
      if (this.#stopped) return faults.find(fault => fault !== undefined)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, pause)
        lane.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async #cut(opening: Opening): Promise<void> {
    const hooks = this.#options.hooksOf(opening.service).filter(canCut)
    await Promise.all(hooks.map(hook => this.#ask(hook, 'cut', opening)))
  }

  async #ask<A extends Fault['action']>(
    hook: Hook & { [action in A]: (opening: Opening) => Promise<void> },
    action: A,
    opening: Opening,
  ): Promise<Fault | undefined> {
    try {
      await withLimit(hook, hook[action](opening), this.#options.limitMs ?? HOOK_LIMIT_MS)
      return undefined
    } catch (error) {
      const { code, message } =
        error instanceof HookError
          ? error
          : new HookError(hook.name, 'failed', error instanceof Error ? error.message : `${error}`)
      const fault = { action, opening, hook: hook.name, code, message }
      this.#options.report(fault)
      return fault
    }
  }
}

const canCut = (hook: Hook): hook is CuttingHook => 'cut' in hook

async function withLimit(hook: Hook, work: Promise<void>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    const message = `${hook.name} did not answer within ${limitMs / 1000} s`
    timer = setTimeout(() => reject(new HookError(hook.name, 'timeout', message)), limitMs)
  })
  try {
    await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
