import { setImmediate as turn } from 'node:timers/promises'
import { makeShooter } from './shooter.ts'
import type { Range, Shot } from './shot.ts'

/** A door that has not opened by then does not open. */
const LIMIT_MS = 2_000
/**
 * Between two looks. Looking without a pause would take a whole processor, on which the machine's
 * other work then lacks, and takes its time from whoever is measured.
 */
const PACE_MS = 0.05

/** Never woken: a pause ends by its time. */
const nobody = new Int32Array(new SharedArrayBuffer(4))

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
      Atomics.wait(nobody, 0, 0, PACE_MS) // Timers of the event loop count in whole milliseconds.
      await turn()
    }
    latencies.push(shooter.openAt === undefined ? null : shooter.openAt - start)
    shooter.close()
  }
  return latencies
}
