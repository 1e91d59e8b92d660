import { setImmediate as turn } from 'node:timers/promises'
import { boundSocket, openProbe } from './probe.ts'
import type { Range, Shot } from './shot.ts'

/** All shots at once; for each, milliseconds from the first one to its service's answer, or `null`. */
export async function burst({
  shots,
  host,
  port,
  door,
  limitMs,
}: Range & { readonly shots: readonly Shot[]; readonly limitMs: number }): Promise<
  (number | null)[]
> {
  const probes = await Promise.all(shots.map(({ source }) => openProbe(door, source)))
  const sockets = await Promise.all(shots.map(({ source }) => boundSocket(source)))
  const start = performance.now()
  for (const [i, { datagram }] of shots.entries()) sockets[i]!.send(datagram, port, host)
  let closed = probes
  while (closed.length > 0 && performance.now() - start < limitMs) {
    for (const probe of closed) probe.look()
    await turn()
    closed = closed.filter(({ answeredAt }) => answeredAt === undefined)
  }
  for (const each of [...probes, ...sockets]) each.close()
  return probes.map(({ answeredAt }) => (answeredAt === undefined ? null : answeredAt - start))
}
