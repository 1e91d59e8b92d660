import { setImmediate as turn } from 'node:timers/promises'
import { makeShooter } from './shooter.ts'
import type { Range, Shot } from './shot.ts'

/** If none has opened for so long, no more will. */
const QUIET_MS = 1_000

/** All at once; for each, milliseconds from the first shot to its service's answer; `null`: never. */
export async function burst({
  shots,
  ...range
}: Range & { readonly shots: readonly Shot[] }): Promise<(number | null)[]> {
  const shooters = await Promise.all(shots.map(shot => makeShooter(range, shot)))
  const start = performance.now()
  for (const shooter of shooters) shooter.shoot()
  let closed = shooters
  for (let lastAt = start; closed.length > 0 && performance.now() - lastAt < QUIET_MS; ) {
    for (const shooter of closed) shooter.look()
    await turn()
    const left = closed.filter(({ openAt }) => openAt === undefined)
    if (left.length < closed.length) lastAt = performance.now()
    closed = left
  }
  for (const shooter of shooters) shooter.close()
  return shooters.map(({ openAt }) => (openAt === undefined ? null : openAt - start))
}
