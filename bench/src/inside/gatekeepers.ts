import { systemClock } from '../../../server/src/core/clock.ts'
import type { Directory, Service, User } from '../../../server/src/core/directory.ts'
import { Keyring } from '../../../server/src/core/keyring.ts'
import type { Host } from '../../../server/src/core/policy.ts'
import { State } from '../../../server/src/core/state.ts'
import { Counters } from '../../../server/src/counters.ts'
import { Doors } from '../../../server/src/doors.ts'
import { Gatekeeper } from '../../../server/src/gatekeeper.ts'
import { NativeMacs, nativeReplyTag } from '../../../server/src/native-macs.ts'
import { pooledRandom } from '../../../server/src/random.ts'
import { SERVICE } from '../harness/world.ts'

export const FRESHNESS_MS = 120_000

export function keyringOf(users: readonly User[]): Keyring {
  const keyring = new Keyring(FRESHNESS_MS, new NativeMacs())
  keyring.assign(users.flatMap(({ devices }) => devices))
  while (keyring.hints.prepare(systemClock.now(), users.length));
  return keyring
}

/**
 * A gatekeeper that remembers nothing yet, with a ledger that never answers: `judge` does steps 1 to
 * 9, hands the line over, and that is all.
 */
export function gatekeeperOf(users: readonly User[], keyring: Keyring, state: State): Gatekeeper {
  const directory = directoryOf(users)
  return new Gatekeeper({
    clock: systemClock,
    random: pooledRandom(),
    keyring,
    state,
    directory: () => directory,
    host: HOST,
    record: () => new Promise(() => {}),
    doors: new Doors({ hooksOf: () => [], report: () => {} }),
    counters: new Counters(),
    ask: async () => {},
    freshnessMs: FRESHNESS_MS,
    replyTag: nativeReplyTag,
  })
}

export const directoryOf = (users: readonly User[]): Directory => ({
  services: new Map([[SERVICE, service]]),
  users: new Map(users.map(user => [user.name, user])),
})

/** With no address of its own that could be knocked for by mistake. */
export const HOST: Host = { isOwn: () => false, listensOnLoopback: true }

export const emptyState = (): State => new State(systemClock, FRESHNESS_MS)

const service: Service = {
  name: SERVICE,
  ports: [{ protocol: 'tcp', port: 22 }],
  lifetime: 30,
  maxLifetime: 30,
  maxPrefix: { ipv4: 128, ipv6: 128 },
  factor: 'required',
  requireAddress: false,
  behindProxy: false,
  onExpiry: 'keep',
  destination: [],
  gate: undefined,
  exec: undefined,
}
