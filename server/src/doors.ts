import type { Grant } from './core/grants.ts'
import { type IsPersonal, type Need, type Opening, Openings, openingKey } from './core/openings.ts'
import type { Past } from './core/outlived.ts'
import { type CuttingHook, type Hook, HookError } from './hooks/hook.ts'
import { Lanes, Pauses } from './lanes.ts'

/**
 * The longest that a hook may take before it counts as failed. Hooks have shorter limits of their own
 * and can end what they started; this one only keeps a knock from waiting for ever.
 */
const HOOK_LIMIT_MS = 60_000
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
  /** Told how long each call took, whatever came of it. */
  readonly observe?: ((hook: string, action: Fault['action'], ms: number) => void) | undefined
  readonly limitMs?: number
  readonly isPersonal?: IsPersonal
}

/** What hooks hold open, as far as they said when they were started. */
export type Found = ReadonlyMap<Hook, readonly Opening[]>
const NOTHING_FOUND: Found = new Map()

/** What becomes of closing: what the first try met, and in the end whether it was done before `stop`. */
export interface Closing {
  readonly tried: Promise<Fault | undefined>
  readonly closed: Promise<boolean>
}

/** What goes on after a grant was taken away. */
export interface Remains {
  /** What another grant needs as well, with the connections through it. */
  readonly open: readonly Opening[]
  /** The services that are closed, and whose connections no hook can end. */
  readonly uncut: readonly string[]
}

/**
 * Turns grants into what hooks hold open. Opening reports its fault and leaves the rollback to the
 * caller; closing is tried until it succeeds, since a door left open is the one thing not to give up on.
 */
export class Doors {
  readonly #openings: Openings
  /** Until when the hooks have said that they hold an opening; absent: nobody knows. */
  readonly #held = new Map<string, number>()
  /** Who may hold it: while it is open, a reload can give its service to other hooks. */
  readonly #holders = new Map<string, readonly Hook[]>()
  /** One opening's turns; different openings never wait for each other. */
  readonly #lanes = new Lanes()
  /** Before a hook that could not close is asked again. */
  readonly #pauses = new Pauses()
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
  need(grant: Grant): Promise<Fault | undefined> {
    for (const { action, opening } of this.#openings.set(needOf(grant))) {
      if (action === 'close') this.#shut(opening)
    }
    return this.reach(grant.id)
  }

  /** The same for what a grant is known to need. */
  reach(grant: string): Promise<Fault | undefined> {
    const opened = this.#openings.keysOf(grant).map(key => this.#ensure(key))
    return opened.length === 1 ? opened[0]! : Promise.all(opened).then(first)
  }

  /** What the grant needs is not closed from now on, but not opened either. */
  adopt(grant: Grant): void {
    this.#openings.set(needOf(grant))
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
    return together(closings)
  }

  remainsOf(grant: Grant): Remains {
    const [open, closed]: [Opening[], Opening[]] = [[], []]
    for (const opening of this.#openings.of(needOf(grant))) {
      const needed = this.#openings.get(openingKey(opening))
      if (needed) open.push(needed)
      else closed.push(opening)
    }
    const uncut = closed.filter(opening => !this.#hooksOf(opening).some(canCut))
    return { open, uncut: [...new Set(uncut.map(({ service }) => service))] }
  }

  /**
   * Ends what came in through doors that are closed, but for those that are needed again; `undefined` if
   * there is no hook that can.
   */
  cutOff(past: Past): Closing | undefined {
    const closings = this.#openings.of(needOf({ ...past, until: 0 })).flatMap(opening => {
      const cutting = this.#hooksOf(opening).filter(canCut)
      return cutting.length > 0 ? [this.#shut(opening, true, cutting)] : []
    })
    return closings.length > 0 ? together(closings) : undefined
  }

  /** After a start: what hooks have open already, for as long as it is needed, need not be opened. */
  learn(found: Found): void {
    const holders = new Map<string, Hook[]>()
    for (const [hook, openings] of found) {
      for (const opening of openings) {
        const key = openingKey(opening)
        if (this.#openings.get(key)?.until !== opening.until) continue
        holders.set(key, [...(holders.get(key) ?? []), hook])
      }
    }
    for (const [key, hooks] of holders) {
      const needed = this.#openings.get(key)!
      if (!this.#hooksOf(needed).every(hook => hooks.includes(hook))) continue
      for (const hook of hooks) this.#mayHold(key, hook)
      this.#held.set(key, needed.until)
    }
  }

  /** Whether all that a grant is known to need is open, for as long as it is needed. */
  holds(grant: string): boolean {
    const keys = this.#openings.keysOf(grant)
    const isHeld = (key: string) => this.#held.get(key) === this.#openings.get(key)!.until
    return keys.length > 0 && keys.every(isHeld)
  }

  /**
   * After a start or a reload: closes what a hook holds open and no grant explains, and notices what
   * a hook has let go of: `need` has it opened again. Who was found to hold what is not asked.
   */
  async settle(hooks: readonly Hook[], found: Found = NOTHING_FOUND): Promise<void> {
    const lists = await Promise.all(hooks.map(hook => found.get(hook) ?? hook.list()))
    const keys = new Map<Hook, ReadonlySet<string>>()
    hooks.forEach((hook, i) => {
      if (!found.has(hook)) keys.set(hook, new Set(lists[i]!.map(openingKey)))
    })
    for (const opening of this.#openings.list()) {
      const key = openingKey(opening)
      const lacking = this.#hooksOf(opening).some(hook => keys.get(hook)?.has(key) === false)
      if (lacking) this.#held.delete(key)
    }
    const strays = hooks.flatMap((hook, i) =>
      lists[i]!.filter(opening => !this.#isNeededOf(hook, opening)).map(opening => ({
        hook,
        opening,
      })),
    )
    await Promise.all(strays.map(({ hook, opening }) => this.#shut(opening, false, [hook]).tried))
  }

  /** Gives up retries; what is open stays with its kernel timeouts, and the ledger knows the rest. */
  stop(): void {
    this.#stopped = true
    this.#pauses.endAll()
  }

  /** Sees to it that the hooks hold what is needed when its turn comes. */
  #ensure(key: string): Promise<Fault | undefined> {
    return this.#lanes.inTurn(key, async () => {
      const needed = this.#openings.get(key)
      if (!needed || this.#held.get(key) === needed.until) return undefined
      this.#held.delete(key)
      for (const hook of this.#hooksOf(needed)) {
        this.#mayHold(key, hook)
        const fault = await this.#ask(hook, 'open', needed)
        if (fault) return fault
      }
      this.#held.set(key, needed.until)
      // Whoever wanted to close it need not any more.
      this.#pauses.end(key)
      return undefined
    })
  }

  #shut(opening: Opening, cut = false, hooks = this.#hooksOf(opening)): Closing {
    for (const hook of hooks) this.#mayHold(openingKey(opening), hook)
    let tell = (_: Fault | undefined) => {}
    const tried = new Promise<Fault | undefined>(resolve => {
      tell = resolve
    })
    return { tried, closed: this.#close(opening, cut, tell) }
  }

  /** Ends when every hook has closed, or when the opening is needed of it again; false at a stop. */
  async #close(
    opening: Opening,
    cut: boolean,
    tell: (fault: Fault | undefined) => void,
  ): Promise<boolean> {
    const key = openingKey(opening)
    for (let pause = RETRY_MS; ; pause = Math.min(pause * 2, RETRY_MAX_MS)) {
      const faults = await this.#lanes.inTurn(key, () =>
        Promise.all(this.#leaving(opening).map(hook => this.#askToClose(hook, opening, cut))),
      )
      tell(first(faults))
      if (this.#leaving(opening).length === 0) return true
      if (this.#stopped) return false
      await this.#pauses.take(key, pause)
    }
  }

  async #askToClose(hook: Hook, opening: Opening, cut: boolean): Promise<Fault | undefined> {
    const key = openingKey(opening)
    this.#held.delete(key)
    const closing = await this.#ask(hook, 'close', opening)
    const fault = !closing && cut && canCut(hook) ? await this.#ask(hook, 'cut', opening) : closing
    if (!fault) this.#holdsNot(key, hook)
    return fault
  }

  #hooksOf({ service }: Opening): readonly Hook[] {
    return this.#options.hooksOf(service)
  }

  #isNeededOf(hook: Hook, opening: Opening): boolean {
    return (
      this.#openings.get(openingKey(opening)) !== undefined && this.#hooksOf(opening).includes(hook)
    )
  }

  #mayHold(key: string, hook: Hook): void {
    const holders = this.#holders.get(key)
    if (!holders) this.#holders.set(key, [hook])
    else if (!holders.includes(hook)) this.#holders.set(key, [...holders, hook])
  }

  #holdsNot(key: string, hook: Hook): void {
    const others = this.#holders.get(key)?.filter(holder => holder !== hook) ?? []
    if (others.length > 0) this.#holders.set(key, others)
    else this.#holders.delete(key)
  }

  /** Who may hold the opening and should not. */
  #leaving(opening: Opening): Hook[] {
    const holders = this.#holders.get(openingKey(opening)) ?? []
    return holders.filter(hook => !this.#isNeededOf(hook, opening))
  }

  async #ask<A extends Fault['action']>(
    hook: Hook & { [action in A]: (opening: Opening) => Promise<void> },
    action: A,
    opening: Opening,
  ): Promise<Fault | undefined> {
    const limitMs = this.#options.limitMs ?? HOOK_LIMIT_MS
    const began = performance.now()
    try {
      const work = hook[action](opening)
      const late = await outlasts(work, limitMs)
      if (!late) return undefined
      void work.catch(() => {}).then(() => this.#comesLate(hook, action, opening))
      throw new HookError(hook.name, 'timeout', `did not answer within ${limitMs / 1000} s`)
    } catch (error) {
      const { code, message } =
        error instanceof HookError
          ? error
          : new HookError(hook.name, 'failed', error instanceof Error ? error.message : `${error}`)
      const fault = { action, opening, hook: hook.name, code, message }
      this.#options.report(fault)
      return fault
    } finally {
      this.#options.observe?.(hook.name, action, performance.now() - began)
    }
  }

  /** A hook that was given up on has come to its end: what it did is undone if it is wrong by now. */
  #comesLate(hook: Hook, action: Fault['action'], opening: Opening): void {
    const needed = this.#isNeededOf(hook, opening)
    if (action === 'open' && !needed) this.#shut(opening, false, [hook])
    if (action === 'close' && needed) {
      const key = openingKey(opening)
      this.#held.delete(key)
      void this.#ensure(key)
    }
  }
}

const needOf = ({ id, user, services, networks, until }: Grant): Need => ({
  grant: id,
  user,
  services,
  networks,
  until,
})

const first = (faults: readonly (Fault | undefined)[]): Fault | undefined =>
  faults.find(fault => fault !== undefined)

const together = (closings: readonly Closing[]): Closing => ({
  tried: Promise.all(closings.map(({ tried }) => tried)).then(first),
  closed: Promise.all(closings.map(({ closed }) => closed)).then(all => all.every(Boolean)),
})

const canCut = (hook: Hook): hook is CuttingHook => 'cut' in hook

/** Whether the work takes longer than that; rejects if it fails before. */
function outlasts(work: Promise<void>, limitMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, limitMs, true)
    const done = () => {
      clearTimeout(timer)
      resolve(false)
    }
    const failed = (error: unknown) => {
      clearTimeout(timer)
      reject(error)
    }
    work.then(done, failed)
  })
}
