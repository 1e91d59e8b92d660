import type { Grant } from './core/grants.ts'
import { type IsPersonal, type Opening, Openings, openingKey } from './core/openings.ts'
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
  readonly action: 'open' | 'close' | 'cut'
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

/** What becomes of closing: what the first try met, and in the end whether it was done before `stop`. */
export interface Closing {
  readonly tried: Promise<Fault | undefined>
  readonly closed: Promise<boolean>
}

/** One opening's turns, one after the other; different openings never wait for each other. */
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
  /** Until when the hooks have said that they hold an opening; absent: nobody knows. */
  readonly #held = new Map<string, number>()
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

  /**
   * Makes what the grant needs open, and waits for it; the first fault, if any. What another grant is
   * just having opened is waited for, and tried again if that failed.
   */
  async need(grant: Grant): Promise<Fault | undefined> {
    for (const { action, opening } of this.#openings.set({ ...grant, grant: grant.id })) {
      if (action === 'close') this.#shut(opening)
    }
    const keys = this.#openings.of(grant).map(openingKey)
    return first(await Promise.all(keys.map(key => this.#ensure(key))))
  }

  /** What the grant needs is not closed from now on, but not opened either. */
  adopt(grant: Grant): void {
    this.#openings.set({ ...grant, grant: grant.id })
  }

  /**
   * Closes what no other grant needs. `cut` ends the connections too, where a hook can: for someone
   * who is to be out at once.
   */
  release(grant: string, cut = false): Closing {
    const closings = this.#openings.remove(grant).flatMap(({ action, opening }) => {
      if (action === 'close') return this.#shut(opening, cut)
      void this.#ensure(openingKey(opening))
      return []
    })
    return {
      tried: Promise.all(closings.map(({ tried }) => tried)).then(first),
      closed: Promise.all(closings.map(({ closed }) => closed)).then(all => all.every(Boolean)),
    }
  }

  /** After a start: closes what the hooks hold open and no grant explains. */
  async settle(hooks: readonly Hook[]): Promise<void> {
    const held = await Promise.all(hooks.map(hook => hook.list()))
    const strays = held.flat().filter(opening => !this.#openings.get(openingKey(opening)))
    await Promise.all(strays.map(opening => this.#shut(opening).tried))
  }

  /** Gives up retries; what is open stays with its kernel timeouts, and the ledger knows the rest. */
  stop(): void {
    this.#stopped = true
    for (const lane of this.#lanes.values()) lane.wake()
  }

  /** Sees to it that the hooks hold what is needed when its turn comes. */
  #ensure(key: string): Promise<Fault | undefined> {
    return this.#inTurn(key, async () => {
      const needed = this.#openings.get(key)
      if (!needed || this.#held.get(key) === needed.until) return undefined
      this.#held.delete(key)
      for (const hook of this.#options.hooksOf(needed.service)) {
        const fault = await this.#ask(hook, 'open', needed)
        if (fault) return fault
      }
      this.#held.set(key, needed.until)
      return undefined
    })
  }

  #shut(opening: Opening, cut = false): Closing {
    let tell = (_: Fault | undefined) => {}
    const tried = new Promise<Fault | undefined>(resolve => {
      tell = resolve
    })
    const closed = this.#inTurn(openingKey(opening), lane => this.#close(opening, cut, lane, tell))
    return { tried, closed }
  }

  /** Ends when every hook has closed, or when the opening is needed again; false at a stop. */
  async #close(
    opening: Opening,
    cut: boolean,
    lane: Lane,
    tell: (fault: Fault | undefined) => void,
  ): Promise<boolean> {
    const key = openingKey(opening)
    let hooks = this.#options.hooksOf(opening.service)
    for (let pause = RETRY_MS; ; pause = Math.min(pause * 2, RETRY_MAX_MS)) {
      if (!this.#openings.get(key)) {
        this.#held.delete(key)
        const faults = await Promise.all(hooks.map(hook => this.#askToClose(hook, opening, cut)))
        hooks = hooks.filter((_, i) => faults[i])
        tell(first(faults))
      }
      tell(undefined)
      if (hooks.length === 0 || this.#openings.get(key)) return true
      if (this.#stopped) return false
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, pause)
        lane.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async #askToClose(hook: Hook, opening: Opening, cut: boolean): Promise<Fault | undefined> {
    const fault = await this.#ask(hook, 'close', opening)
    return !fault && cut && canCut(hook) ? this.#ask(hook, 'cut', opening) : fault
  }

  async #ask<A extends Fault['action']>(
    hook: Hook & { [action in A]: (opening: Opening) => Promise<void> },
    action: A,
    opening: Opening,
  ): Promise<Fault | undefined> {
    const limitMs = this.#options.limitMs ?? HOOK_LIMIT_MS
    const work = hook[action](opening)
    try {
      const late = await outlasts(work, limitMs)
      if (!late) return undefined
      void work.catch(() => {}).then(() => this.#comesLate(action, opening))
      throw new HookError(hook.name, 'timeout', `did not answer within ${limitMs / 1000} s`)
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

  /** A hook that was given up on has come to its end: what it did is undone if it is wrong by now. */
  #comesLate(action: Fault['action'], opening: Opening): void {
    const key = openingKey(opening)
    const needed = this.#openings.get(key) !== undefined
    if (action === 'open' && !needed) this.#shut(opening)
    if (action === 'close' && needed) {
      this.#held.delete(key)
      void this.#ensure(key)
    }
  }

  async #inTurn<T>(key: string, work: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(key) ?? { tail: Promise.resolve(), waiting: 0, wake: () => {} }
    this.#lanes.set(key, lane)
    lane.waiting++
    lane.wake()
    const turn = lane.tail.then(() => work(lane))
    lane.tail = turn
    const done = await turn
    lane.waiting--
    if (lane.waiting === 0) this.#lanes.delete(key)
    return done
  }
}

const first = (faults: readonly (Fault | undefined)[]): Fault | undefined =>
  faults.find(fault => fault !== undefined)

const canCut = (hook: Hook): hook is CuttingHook => 'cut' in hook

/** Whether the work takes longer than that; rejects if it fails before. */
async function outlasts(work: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<true>(resolve => {
    timer = setTimeout(resolve, limitMs, true)
  })
  try {
    return await Promise.race([work.then(() => false), limit])
  } finally {
    clearTimeout(timer)
  }
}
