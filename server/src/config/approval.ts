import * as v from 'valibot'
import type { ApprovalSettings } from '../core/directory.ts'
import type { HttpSettings } from '../core/http.ts'
import { conflict, type Path, type Problem } from './error.ts'
import * as value from './values.ts'

/** A service's keys that have somebody asked before it opens. */

const SECOND = 1_000
/** Less is over before the message is on the phone. */
const TIMEOUT_MIN = 10 * SECOND
/** A knock is remembered for ten minutes: one is left for whoever knocked to hear how it ended. */
const TIMEOUT_MAX = 9 * 60 * SECOND
/** As long as clients wait. */
const TIMEOUT_DEFAULT = 2 * 60 * SECOND

export const approvalKeys = {
  approval: v.optional(value.name),
  approval_timeout: v.optional(value.duration(TIMEOUT_MIN, TIMEOUT_MAX)),
  approver: v.optional(value.name),
}

interface ApprovalKeys {
  readonly approval?: string | undefined
  readonly approval_timeout?: number | undefined
  readonly approver?: string | undefined
}

export const toApproval = ({
  approval: channel,
  approver,
  approval_timeout: timeoutMs = TIMEOUT_DEFAULT,
}: ApprovalKeys): ApprovalSettings | undefined =>
  channel === undefined ? undefined : { channel, approver, timeoutMs }

/** Of a key that says nothing without a channel. */
export const NEEDS_APPROVAL =
  'belongs to an approval, but there is none: write approval = "…" too, the way in [delivery] to ask'

/** An approval needs a way to people, and one back from them. */
export function approvalRules(
  approval: ApprovalSettings | undefined,
  path: Path,
  channels: readonly string[],
  http: HttpSettings | undefined,
): Problem[] {
  if (!approval) return []
  if (!channels.includes(approval.channel)) {
    const message = `there is no such way: write [delivery.${approval.channel}] with mail, ntfy or webhook`
    return [conflict(path, message)]
  }
  if (http?.public !== undefined) return []
  const message =
    'is answered by a link, which nothing would answer: write [http] with public = "https://gate.example.com:8975"'
  return [conflict(path, message)]
}
