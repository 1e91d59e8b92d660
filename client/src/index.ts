/**
 * Knock from a program of your own, as the command does:
 *
 * ```ts
 * import { knock, parseFactor, parseInvitation } from 'oneknock'
 *
 * const target = parseInvitation(process.env.INVITATION ?? '')
 * const factor = parseFactor('123456')
 * if (target.ok && factor.ok) {
 *   const result = await knock(target.value, { services: ['ssh'], factor: factor.value })
 *   if (result.status === 'opened') console.log('open until', new Date(result.until))
 * }
 * ```
 */

import { type KnockOptions, knockWith, type Target } from './knock.ts'
import type { KnockResult } from './outcome.ts'
import { systemWorld } from './world.ts'

export {
  type Address,
  type Factor,
  type Family,
  formatNetwork,
  type Invitation,
  type Network,
  type NotACode,
  parseFactor,
  parseInvitation,
  parseNetwork,
  type Reason,
  type Result,
  type Verb,
} from '@oneknock/shared'
export type { KnockOptions, Target } from './knock.ts'
export type * from './outcome.ts'
export { type Explanation, explain } from './refusals.ts'

/**
 * Knocks once at a target, and says what became of it. Whatever the network, the server or the
 * system does is a result; it rejects for none of it. Ends within eight seconds of the name being
 * resolved, three more where UDP is silent and there is an HTTP door, unless somebody must approve.
 */
export const knock = (target: Target, options: KnockOptions = {}): Promise<KnockResult> =>
  knockWith(systemWorld, target, options)
