import type { Address } from '@oneknock/shared'
import type { Clock } from '../../core/clock.ts'
import type { Judge, Verdict } from '../listener.ts'
import type { Budget } from './budget.ts'
import type { Claim } from './code.ts'
import { REFUSAL_MS } from './limits.ts'

/** The door's name in the ledger and in the users' budgets. */
export const DOOR = 'http'

export type Answer = Extract<Verdict, { kind: 'answer' }>

export interface AskParts {
  readonly judge: () => Judge | undefined
  readonly clock: Clock
  /** Waits that many milliseconds. */
  readonly pause: (ms: number) => Promise<void>
  readonly budget: Budget
  /** The user of the token that types this public id. */
  readonly ownerOf: (publicId: string) => string | undefined
  /** What this door may open. */
  readonly services: () => readonly string[] | undefined
  /** Counts who has tried too much. */
  readonly busy: () => void
}

/** A YubiKey's OTP ends in 32 letters that are its own each time; what is before them names the token. */
const BLOCK_CHARS = 32

/**
 * Has a code judged; `busy` if this source has tried too many, `closed` if nobody judges here any more.
 * A refusal takes the same time, whatever it is.
 */
export async function ask(
  { user, factor, services }: Claim,
  source: Address,
  parts: AskParts,
): Promise<Answer | 'busy' | 'closed'> {
  const { clock, pause, budget, ownerOf } = parts
  const began = clock.monotonic()
  if (!budget.take(source, began)) {
    parts.busy()
    return 'busy'
  }
  const owner = factor.kind === 'yubikey' ? ownerOf(factor.code.slice(0, -BLOCK_CHARS)) : undefined
  const verdict = await parts.judge()?.({
    door: DOOR,
    // A name that nobody can have is judged like any other that nobody has.
    user: user || owner || '',
    factor,
    services,
    among: parts.services(),
    lifetime: 0,
    source,
  })
  if (verdict?.kind !== 'answer') return 'closed'
  if (verdict.outcome.status === 'refused') {
    await pause(REFUSAL_MS - ((clock.monotonic() - began) % REFUSAL_MS))
  } else budget.giveBack(source)
  return verdict
}
