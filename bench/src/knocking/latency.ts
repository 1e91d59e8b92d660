import { setImmediate as turn } from 'node:timers/promises'
import { makeShooter } from './shooter.ts'
import type { Range, Shot } from './shot.ts'

/** A door that has not opened by then does not open. */
const LIMIT_MS = 2_000

/** One by one: milliseconds from sending it to the service's first answer; `null`: never. */
export async function openLatency({
  shots,
  ...range
}: Range & { readonly shots: readonly Shot[] }): Promise<(number | null)[]> {
  const latencies: (number | null)[] = []
  for (const shot of shots) {
    const shooter = await makeShooter(range, shot)
    const start = performance.now()
    shooter.shoot()
    while (shooter.openAt === undefined && performance.now() - start < LIMIT_MS) {
      shooter.look()
      await turn()
    }
    latencies.push(shooter.openAt === undefined ? null : shooter.openAt - start)
    shooter.close()
  }
  return latencies
}
