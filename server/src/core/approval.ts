import { maskNetwork, type Reason } from '@oneknock/shared'
import { verified } from './claims.ts'
import type { Directory } from './directory.ts'
import type { AnsweredBy, ApprovedEvent, DisapprovedEvent, DisapprovedWhy } from './events.ts'
import { holds, opensOnly } from './factors.ts'
import { NO_GRANT } from './grants.ts'
import { type Circumstances, decideNow, granted, limited, whoIsAsked } from './judge.ts'
import { stillIn } from './policy.ts'
import type { Pending } from './waiting.ts'

/** Why something may not be opened, as a reply says it. */
interface Refusal {
  readonly reason: Reason
  readonly detail: string
}

/**
 * What a yes leads to: the policy is looked at again, since much may have changed while it was waited
 * for. Changes nothing.
 */
export function approve(
  pending: Pending,
  by: AnsweredBy,
  circumstances: Circumstances,
): ApprovedEvent | DisapprovedEvent {
  const { directory, now } = circumstances
  const { id, user, device, knock, services, network, lifetime } = pending
  const why = whyVoid(pending, directory)
  if (why) return disapprove(pending, 'void', why)
  const approved = { event: 'approved', id, user, device, knock, by } as const
  if (services.length === 0) return { ...approved, outcome: verified(network) }

  const asked = { services, lifetime, ...network }
  const decision = decideNow(directory.users.get(user)!, asked, pending.source, circumstances)
  if (decision.kind === 'denial') return disapprove(pending, 'void', decision)
  const { approval } = decision
  // Whoever was asked has no say any more.
  if (approval && !isAskedBy(pending, approval.channel, approval.approver)) {
    return disapprove(pending, 'void', CHANGED)
  }
  return { ...approved, ...granted(pending, decision, now) }
}

/** What anything but a yes leads to. */
export function disapprove(
  pending: Pending,
  why: DisapprovedWhy,
  { reason, detail }: Refusal = refusalOf(pending, why),
  said: Pick<DisapprovedEvent, 'by' | 'error'> = {},
): DisapprovedEvent {
  const { id, user, device, knock, source } = pending
  const network = maskNetwork(source, 128)
  const outcome = { reason, detail, network, lifetime: 0, grant: NO_GRANT }
  return {
    ...{ event: 'disapproved', id, user, device, knock, why, ...said },
    outcome: { status: 'refused', ...outcome },
  }
}

/** Why the directory does not let it go on waiting; `undefined` if it does. */
export function whyVoid(pending: Pending, directory: Directory): Refusal | undefined {
  const user = stillIn(directory, pending)
  if (!user) return { reason: 'locked', detail: 'by the administrator' }
  if (pending.factor && !holds(user, pending.factor)) {
    return { reason: 'locked', detail: 'the code is of an old factor' }
  }
  const only = pending.factor && opensOnly(user, pending.factor)
  // As for a code that is only looked at: what opens some things alone says yes to nothing else.
  if (only && pending.services.length === 0) return { reason: 'service', detail: '' }
  const allowed = limited(user, only).services
  const lost = pending.services.find(
    name => !directory.services.has(name) || !allowed.includes(name),
  )
  if (lost !== undefined) return { reason: 'service', detail: lost.slice(0, 31) }
  const approver = directory.users.get(pending.approver)
  return !approver || approver.locked ? CHANGED : undefined
}

const CHANGED: Refusal = { reason: 'approval-timeout', detail: 'somebody else is to be asked' }

const isAskedBy = (pending: Pending, channel: string, approver = pending.user): boolean =>
  pending.channel === channel && pending.approver === approver

function refusalOf(pending: Pending, why: DisapprovedWhy): Refusal {
  switch (why) {
    case 'denied':
      return { reason: 'denied', detail: whoIsAsked(pending) }
    case 'timed-out':
    case 'void':
      return { reason: 'approval-timeout', detail: whoIsAsked(pending) }
    case 'superseded':
      return { reason: 'approval-timeout', detail: 'a newer knock asks instead' }
    case 'withdrawn':
      return { reason: 'approval-timeout', detail: 'closed before anybody answered' }
    case 'not-sent':
      return { reason: 'hook-failed', detail: 'nobody could be asked' }
  }
}
