import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { type Address, parseNetwork } from '@oneknock/shared'
import { codesOf } from '../../../server/src/core/candidates.ts'
import { systemClock } from '../../../server/src/core/clock.ts'
import type { RadiusClient } from '../../../server/src/core/radius.ts'
import {
  type RadiusListener,
  type RadiusNote,
  type RadiusOptions,
  radiusListener,
} from '../../../server/src/listeners/radius.ts'
import { NOON, SECRET, user } from '../kit.ts'
import { Nas } from './nas.ts'

/** The RADIUS door of a test, and a client of it. */

const NAS_SECRET = 'between the door and its client'
export const UPSTREAM_SECRET = 'between the door and its server'

const utf8 = new TextEncoder()

export async function freePort(): Promise<number> {
  const probe = createSocket('udp4')
  await bound(probe)
  const { port } = probe.address()
  await new Promise<void>(resolve => probe.close(() => resolve()))
  return port
}

export const bound = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, '127.0.0.1', resolve)
  })

export interface RadiusDoor {
  readonly listener: RadiusListener
  readonly nas: Nas
  readonly port: number
  readonly notes: RadiusNote[]
  readonly counts: Map<string, number>
  /** Whom `hasGrant` was asked about, and what it answers. */
  readonly grants: { readonly asked: unknown[]; there: boolean }
  configure(client: Partial<RadiusClient>, secret?: string): Promise<void>
  close(): void
}

export async function makeRadiusDoor(
  client: Partial<RadiusClient> = {},
  options: Partial<RadiusOptions> = {},
): Promise<RadiusDoor> {
  const port = await freePort()
  const notes: RadiusNote[] = []
  const counts = new Map<string, number>()
  const grants = { asked: [] as unknown[], there: false }
  const listener = radiusListener({
    clock: systemClock,
    random: randomBytes,
    ownAddresses: () => [],
    pause: async () => {},
    codesOf: name => codesOf(name === 'alice' ? { ...user(name, 1), totp: TOTP } : undefined, NOON),
    hasGrant: (...asked: [string, Address, readonly string[] | undefined]) => {
      grants.asked.push(asked)
      return grants.there
    },
    report: note => notes.push(note),
    count: what => counts.set(what, (counts.get(what) ?? 0) + 1),
    ...options,
  })
  const configure = async (changes: Partial<RadiusClient>, secret = NAS_SECRET) =>
    listener.configure({
      listen: [{ host: '127.0.0.1', port }],
      clients: [
        {
          ...{ name: 'vpn', networks: [parseNetwork('127.0.0.1')!], mode: 'code' },
          ...{ secret: NOWHERE, upstream: undefined, services: undefined },
          ...{ addressFrom: 'calling-station-id', messageAuthenticator: 'required' },
          ...changes,
          secretBytes: utf8.encode(secret),
          upstreamSecretBytes: changes.upstream && utf8.encode(UPSTREAM_SECRET),
        },
      ],
    })
  await configure(client)
  const nas = new Nas(port, NAS_SECRET)
  return { listener, nas, port, notes, counts, grants, configure, close: () => nas.close() }
}

const TOTP = { id: 'secret-of-alice', secret: SECRET }
export const NOWHERE = { kind: 'environment', variable: 'NOWHERE' } as const
