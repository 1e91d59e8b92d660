import { type Reason, type Result, TOTP_STEP_MS } from '@oneknock/shared'
import { type Clock, pause } from './clock.ts'
import type { CodeError } from './codes.ts'
import type { KnockResult } from './outcome.ts'

/** Keeps a door open: what it does, and how it sees where this machine is. */
export interface Watched {
  readonly knock: () => Promise<Result<KnockResult, CodeError>>
  /** This machine's addresses towards the server, as one text; `undefined` while there is no way there. */
  readonly whereabouts: () => Promise<string | undefined>
  readonly on: (happening: Happening) => void
  readonly signal: AbortSignal
}

export type Happening =
  | { readonly type: 'knocked'; readonly result: KnockResult }
  /** A code could not be had this time. */
  | { readonly type: 'no-code'; readonly error: CodeError }
  | { readonly type: 'moved' }
  /** Nothing was opened: it knocks again after this. */
  | { readonly type: 'waiting'; readonly ms: number }

/** Why it watches no longer: told to stop, or an answer that would not change by asking again. */
export type WatchEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'hopeless'; readonly result: KnockResult }

/** After knocks that open nothing the gaps double up to this, unless the address moves. */
export const GAP_MAX_MS = 300_000
/** How often it looks whether the address has moved. Nothing is sent for it. */
export const LOOK_MS = 2_000
/** A door is renewed in its last quarter, but with time for a few tries, and not hours ahead. */
const LEAD_MIN_MS = 10_000
const LEAD_MAX_MS = 300_000

/** To ask again would lock the device, or pester whoever approves. */
const HOPELESS: readonly Reason[] = [
  'wrong-factor',
  'locked',
  'service',
  'denied',
  'approval-timeout',
]

/** Until it is told to stop, or there is no hope. */
export async function watch(watched: Watched, clock: Clock): Promise<WatchEnd> {
  const { knock, whereabouts, on, signal } = watched
  let failures = 0
  while (!signal.aborted) {
    const knockedAt = clock.now()
    const knocked = await knock()
    const place = await whereabouts()
    if (signal.aborted) break
    // One knock for each code (RFC 6238 section 5.2): never more than that.
    const nextCodeAt = (Math.floor(knockedAt / TOTP_STEP_MS) + 1) * TOTP_STEP_MS
    let due: number
    if (knocked.ok && knocked.value.status === 'opened') {
      const { until, lifetime } = knocked.value
      on({ type: 'knocked', result: knocked.value })
      failures = 0
      due = Math.max(nextCodeAt, until - leadOf(lifetime))
    } else {
      on(toldOf(knocked))
      if (knocked.ok && isHopeless(knocked.value)) return hopeless(knocked.value)
      due = Math.max(nextCodeAt, knockedAt + Math.min(GAP_MAX_MS, TOTP_STEP_MS * 2 ** failures))
      failures++
      on({ type: 'waiting', ms: due - clock.now() })
    }
    if (!(await hasMoved(watched, clock, place, due))) continue
    on({ type: 'moved' })
    failures = 0
    await pause(clock, Math.max(0, nextCodeAt - clock.now()), signal)
  }
  return { kind: 'stopped' }
}

const toldOf = (knocked: Result<KnockResult, CodeError>): Happening =>
  knocked.ok
    ? { type: 'knocked', result: knocked.value }
    : { type: 'no-code', error: knocked.error }

const hopeless = (result: KnockResult): WatchEnd => ({ kind: 'hopeless', result })

const leadOf = (lifetimeSeconds: number): number =>
  Math.min(LEAD_MAX_MS, Math.max(LEAD_MIN_MS, lifetimeSeconds * 250))

function isHopeless(result: KnockResult): boolean {
  switch (result.status) {
    case 'refused':
      return HOPELESS.includes(result.reason)
    case 'pending':
    case 'closed':
    case 'invalid':
      return true
    default:
      return false
  }
}

/** Waits until it is time, or the machine has moved to where the server can be reached from. */
async function hasMoved(
  { whereabouts, signal }: Watched,
  clock: Clock,
  place: string | undefined,
  due: number,
): Promise<boolean> {
  while (!signal.aborted && clock.now() < due) {
    await pause(clock, Math.min(LOOK_MS, due - clock.now()), signal)
    const now = await whereabouts()
    if (!signal.aborted && now !== undefined && now !== place) return true
  }
  return false
}
