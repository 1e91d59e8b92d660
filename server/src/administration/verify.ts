import type { Daemon } from '../compose.ts'
import type { Request } from '../control.ts'
import { type Verification, verification, verified } from '../verifying.ts'

/** Looks at a code for a program of this host: burns it, counts it, records it, and opens nothing. */
export async function verify(
  { gatekeeper }: Daemon,
  { user, code, source }: Request,
): Promise<Verification> {
  if (typeof user !== 'string' || typeof code !== 'string' || typeof source !== 'string') {
    throw new Error('whose code to verify was not said')
  }
  const claim = verification({ user, code, source })
  if (!claim.ok) throw new Error(claim.error)
  const verdict = await gatekeeper.judge(claim.value)
  if (verdict.kind === 'silence') throw new Error(`${JSON.stringify(source)} is no address`)
  return verified(verdict.outcome)
}
