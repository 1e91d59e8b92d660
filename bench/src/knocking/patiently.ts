import { totpCode, totpStep } from '@oneknock/shared'
import { knock } from '../../../client/src/index.ts'
import type { User } from '../../../server/src/core/directory.ts'
import { inTurn } from '../harness/sources.ts'

export interface Patiently {
  readonly users: readonly User[]
  readonly host: string
  readonly port: number
  /** So many knock at once. */
  readonly clients: number
}

/**
 * Knocks as the client does, with all its retransmissions: milliseconds until the answer `opened`,
 * or `null` if it gave up.
 */
export async function patiently(options: Patiently): Promise<(number | null)[]> {
  const { users, host, port, clients } = options
  const latencies: (number | null)[] = []
  let next = 0
  const work = async () => {
    for (let i = next++; i < users.length; i = next++) {
      const { devices, totp } = users[i]!
      const start = performance.now()
      const { status } = await knock(
        { host, port, key: devices[0]!.key },
        {
          factor: { kind: 'totp', code: totpCode(totp!.secret, totpStep(Date.now())) },
          address: { address: inTurn(i), prefix: 128 },
        },
      )
      latencies[i] = status === 'opened' ? performance.now() - start : null
    }
  }
  await Promise.all(Array.from({ length: clients }, work))
  return latencies
}
