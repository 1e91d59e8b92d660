import type { Clock } from '../core/clock.ts'

/** Strangers can make the same thing fail as often as they like: a line in this time is what they get. */
const SELDOM_MS = 60_000

/** Whether something that is wrong at this place, which the configuration names, is to be said again. */
export function seldom(clock: Pick<Clock, 'monotonic'>): (place: string) => boolean {
  const saidAt = new Map<string, number>()
  return place => {
    const now = clock.monotonic()
    if (now - (saidAt.get(place) ?? Number.NEGATIVE_INFINITY) < SELDOM_MS) return false
    saidAt.set(place, now)
    return true
  }
}
