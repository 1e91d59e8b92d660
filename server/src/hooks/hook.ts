import type { Network } from '@oneknock/shared'
import type { Service, User } from '../core/directory.ts'
import type { Opening } from '../core/openings.ts'

/**
 * A way to open and close. Calls for one opening never overlap; calls for different openings may.
 * A hook that cannot do what it is asked rejects with a `HookError`; whoever calls rolls back.
 */
export interface Hook {
  readonly name: string
  /** Idempotent. Opening what is open sets its end to the new one, earlier or later. */
  open(opening: Opening): Promise<void>
  /** What is not open is closed already: absent is success. */
  close(opening: Opening): Promise<void>
  /** What this hook holds open now, for repair after a crash. */
  list(): Promise<readonly Opening[]>
}

/** A hook that has something to set up before the first opening and to take down after the last. */
export interface LivingHook extends Hook {
  /** Puts the guard up: nothing passes yet that is not granted. */
  start(): Promise<void>
  /**
   * Takes up another configuration, whole or not at all. What is open stays open, as long as its
   * service is defined as before; whatever else was open is no longer.
   */
  configure(config: HookConfig): Promise<void>
  /** Lets go of what belongs to this process; what guards the host stays. */
  stop(): Promise<void>
}

/** A hook that can start with doors open, thousands of them as quickly as a few. */
export interface ReopeningHook extends LivingHook {
  /**
   * In the place of `start`. Each of these is open as soon as the guard is up, unless it turns out
   * that it cannot be. What is open then, what an earlier run left with it: as `list` would say.
   */
  startWith(wanted: readonly Opening[]): Promise<readonly Opening[]>
}

/** What hooks take from the configuration. */
export interface HookConfig {
  readonly services: readonly Service[]
  /** Networks that are never locked out. */
  readonly allow: readonly Network[]
  /** The UDP ports where packets come in. */
  readonly spaPorts: readonly number[]
  /** Milliseconds without a living daemon after which the guard lets go; absent: never. */
  readonly ifDead?: number | undefined
  /** By name; absent: as before. */
  readonly users?: ReadonlyMap<string, Pick<User, 'sshKeys'>>
}

/** A hook that can also end what began while the door was open. */
export interface CuttingHook extends Hook {
  /**
   * Ends the connections that came in through this opening, also once it is closed. Those that
   * another opening of the same service admits are left alone: whose they are cannot be told.
   */
  cut(opening: Opening): Promise<void>
}

/** What a hook has to say besides its errors: one line for the daemon's log, and its fields. */
export type HookLog = (fields: Readonly<Record<string, string | number>>, line: string) => void

export type HookErrorCode = 'unavailable' | 'timeout' | 'failed' | 'unknown-service'

/** Why a hook did not do what it was asked. The message is for the log and holds no secret. */
export class HookError extends Error {
  readonly hook: string
  readonly code: HookErrorCode

  constructor(hook: string, code: HookErrorCode, message: string) {
    super(message)
    this.name = 'HookError'
    this.hook = hook
    this.code = code
  }
}
