import { type Address, ANY, ANY_IPV4, type Family, familyOf, type Knock } from '@oneknock/shared'
import { type Grant, NO_GRANT } from './grants.ts'
import type { Heard } from './judge.ts'
import { askOf, type KnownKnock, type Outcome } from './knocks.ts'

/** What a knock came to, as it stands now and for the family that is asked about. */
export function present(
  outcome: Outcome,
  grant: Grant | undefined,
  family: Family,
  nowMs: number,
): Outcome {
  if (outcome.status !== 'opened' || outcome.grant === NO_GRANT) return outcome
  if (!grant) return { ...outcome, status: 'closed', lifetime: 0 }
  const network = grant.networks.find(({ address }) => familyOf(address) === family)
  const lifetime = Math.max(0, Math.round((grant.until - nowMs) / 1000))
  return { ...outcome, network: network ?? outcome.network, lifetime }
}

/**
 * Whether a packet may add its address to its knock's grant: soon after the first, asking the same,
 * and naming a family that the grant does not have yet. Plain `::` names none.
 */
export function mayJoin(
  { knock, source }: Heard,
  { joinable }: KnownKnock,
  grant: Grant,
  monotonicMs: number,
): boolean {
  if (knock.verb !== 'open' || knock.address === ANY) return false
  if (joinable?.grant !== grant.id || joinable.ask !== askOf(knock)) return false
  if (monotonicMs > joinable.until) return false
  const family = familyAsked(knock, source)
  return grant.networks.every(({ address }) => familyOf(address) !== family)
}

/** The same knock, refused after all. */
export const failedOutcome = (
  outcome: Outcome,
  reason: 'hook-failed' | 'state-unavailable',
): Outcome => ({
  ...outcome,
  status: 'refused',
  reason,
  lifetime: 0,
  grant: NO_GRANT,
  detail: '',
})

export function familyAsked({ address }: Knock, source: Address): Family {
  if (address === ANY) return familyOf(source)
  return address === ANY_IPV4 ? 4 : familyOf(address)
}
