import type { Network } from '@oneknock/shared'
import type { Port } from '../../core/directory.ts'
import type { Flow, FlowElement, Flows, OpenElement } from './flows.ts'
import type { Zone } from './zones.ts'

/** All that the guard depends on, apart from who is in just now. */
export interface Guard {
  readonly zones: readonly Zone[]
  /** Never locked out. */
  readonly allow: readonly Network[]
  /** Where knocks come in. */
  readonly spaPorts: readonly number[]
  /** Milliseconds after which it lets go by itself if nobody renews it; absent: never. */
  readonly ifDead?: number | undefined
}

/** Who is in. */
export interface Filling extends Flows {
  readonly open: readonly OpenElement[]
  /** Ports are guarded for so long, in milliseconds; absent: for good. */
  readonly trial: number | undefined
}

/** What the kernel tells of a guard that is there. */
export interface Listing extends Flows {
  readonly open: readonly OpenElement[]
  /** The ports that each zone guards. */
  readonly guarded: ReadonlyMap<string, readonly Port[]>
  /** Where the ports of a zone lead that leads elsewhere, as `describeLead` says it. */
  readonly leads?: ReadonlyMap<string, readonly string[]>
  /** Milliseconds until a guard on trial lets go; 0 if it has, `undefined` if it is not on trial. */
  readonly trial: number | undefined
}

/**
 * The rules and sets in the kernel, in one of its languages. Failures are `HookError`s. Calls for
 * the whole never overlap; `open` may come between any others.
 */
export interface GuardKernel {
  /** The hook's name in errors. */
  readonly name: string
  /** What is there, unless it is gone. */
  list(): Promise<Listing | undefined>
  /** Its definitions and rules, without what comes and goes by itself: same text, same guard. */
  rules(): Promise<string | undefined>
  /** Who is live, and who was cut. What was read is understood only when it is asked for: hardly ever. */
  census(): Promise<(() => Flows) | undefined>
  /** Puts a guard in the place of whatever is there; a packet meets the old or the new, never none. */
  replace(guard: Guard, filling: Filling): Promise<void>
  /** A guard with `ifDead` counts from now again; where there can be none, so need not this. */
  renew?(guard: Guard): Promise<void>
  /** More flows that are live. */
  fill(live: readonly FlowElement[]): Promise<void>
  /**
   * Sets the end of each, earlier or later, whether it is there or not. `fresh`: this process holds none
   * of them, so hardly any is there.
   */
  open(elements: readonly OpenElement[], fresh: boolean): Promise<void>
  /** Whether there is room for prefixes of this length. */
  declares(zone: Zone, network: Network): boolean
  /** Makes it, which changes the rules. */
  declare(zone: Zone, network: Network): Promise<void>
  /** These are live no longer, and cut: at once, and whatever packets of theirs are on their way. */
  forget(doomed: readonly { readonly zone: Zone; readonly flow: Flow }[]): Promise<void>
  /** Calls back as soon as the guard is taken away, if that can be heard. */
  watch(heard: () => void): void
  stop(): Promise<void>
}
