import { parseNetwork } from '@oneknock/shared'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { Port, Service } from '../../server/src/core/directory.ts'
import type { Opening } from '../../server/src/core/openings.ts'
import { service } from '../server/hooks/service.ts'
import { bundle } from './bundle.ts'
import { Guard, type GuardOptions } from './guard.ts'
import { describeWithNamespaces, type Lab, openLab } from './lab.ts'
import { GUARD_BACKENDS, GUARD_PROGRAMS, type GuardBackend } from './rights.ts'

export interface Fixture {
  /** Open from the first test on. */
  readonly lab: Lab
  /** A guard on the server. It is gone after the test, with all rules, services and connections. */
  guard(options: GuardOptions): Guard
}

/** The network of lab.ts for all tests of a file, with guards for each of them. */
export function useLab(backend: GuardBackend = 'nftables'): Fixture {
  const guards: Guard[] = []
  let lab: Lab | undefined
  let program: Awaited<ReturnType<typeof bundle>> | undefined
  beforeAll(async () => {
    ;[lab, program] = await Promise.all([openLab(), bundle('guard-process.ts')])
  })
  afterEach(async () => {
    await Promise.all(guards.splice(0).map(guard => guard.kill()))
    if (!lab) return
    const { client, stranger, server, container } = lab
    await Promise.all([client, stranger, server, container].map(host => host.rest()))
    await server.nft('flush ruleset')
    if (backend === 'ipset') await server.run('ipset', 'destroy')
  })
  afterAll(async () => {
    await lab?.close()
    program?.remove()
  })
  return {
    get lab() {
      return lab!
    },
    guard(options) {
      const guard = new Guard(lab!.server, program!.path, { backend, ...options })
      guards.push(guard)
      return guard
    },
  }
}

/** The same for every guard there is: what they promise does not depend on who keeps it. */
export function describeGuards(
  name: string,
  tests: (fixture: Fixture, backend: GuardBackend) => void,
  programs: readonly string[] = [],
): void {
  for (const backend of GUARD_BACKENDS) {
    describeWithNamespaces(`${backend}: ${name}`, () => tests(useLab(backend), backend), [
      ...GUARD_PROGRAMS[backend],
      ...programs,
    ])
  }
}

export const FAMILIES = ['v4', 'v6'] as const
export type FamilyName = (typeof FAMILIES)[number]

/** The same over both families, side by side; a failure says over which. */
export async function overBoth(check: (v: FamilyName) => Promise<void>): Promise<void> {
  await Promise.all(
    FAMILIES.map(v =>
      check(v).catch(error => {
        throw new Error(`over ${v}: ${error.message}`, { cause: error })
      }),
    ),
  )
}

export const tcp = (port: number): Port => ({ protocol: 'tcp', port })
export const udp = (port: number): Port => ({ protocol: 'udp', port })

export const serviceOn = (name: string, ports: readonly Port[], own: Partial<Service> = {}) =>
  service(name, { ports, ...own })

export const opening = (service: string, network: string, lasts = 60_000): Opening => ({
  service,
  network: parseNetwork(network)!,
  until: Date.now() + lasts,
})
