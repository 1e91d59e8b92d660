import { systemClock } from './clock.ts'
import type { World } from './knock.ts'
import { randomBytes } from './random.ts'
import { udp } from './transport.ts'

/** The world as it is. */
export const systemWorld: World = {
  transport: udp,
  clock: systemClock,
  random: randomBytes,
  // All of HTTP takes a while to load, and few knocks need it.
  overHttp: async url => (await import('./http.ts')).httpWay(url),
}
