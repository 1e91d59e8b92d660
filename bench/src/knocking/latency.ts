import { setImmediate as turn } from 'node:timers/promises'
import { boundSocket, openProbe } from './probe.ts'
import type { Range, Shot } from './shot.ts'

/** A door that has not opened by then does not open. */
const LIMIT_MS = 2_000

/** For each shot, milliseconds from sending it to the service's first answer; `null`: never. */
export async function openLatency({
  shots,
  host,
  port,
  door,
}: Range & { readonly shots: readonly Shot[] }): Promise<(number | null)[]> {
  const latencies: (number | null)[] = []
  for (const { source, datagram } of shots) {
    const probe = await openProbe(door, source)
    const socket = await boundSocket(source)
    const start = performance.now()
    socket.send(datagram, port, host)
    while (probe.answeredAt === undefined && performance.now() - start < LIMIT_MS) {
      probe.look()
      await turn()
    }
    latencies.push(probe.answeredAt === undefined ? null : probe.answeredAt - start)
    probe.close()
    socket.close()
  }
  return latencies
}
