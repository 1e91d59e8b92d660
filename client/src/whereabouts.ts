import type { Address } from '@oneknock/shared'
import type { Way } from './memory.ts'
import { udp } from './transport.ts'

/** By which of its addresses this machine would reach these servers now. Nothing is sent. */
export const waysTo = (servers: readonly Address[], port: number): Promise<Way[]> =>
  Promise.all(
    servers.map(async server => {
      const route = await udp.connect(server, port)
      if (!route.ok) return { server, own: null }
      const own = route.value.own ?? null
      route.value.close()
      return { server, own }
    }),
  )

/**
 * Whether this machine still has the addresses that it had. Behind a NAT that is all that can be seen
 * from here: two of them may give out the same one.
 */
export async function isUnmoved(ways: readonly Way[], port: number): Promise<boolean> {
  const now = await waysTo(
    ways.map(({ server }) => server),
    port,
  )
  return now.every(({ own }, i) => own === ways[i]!.own)
}
