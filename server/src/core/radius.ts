import type { Network } from '@oneknock/shared'
import type { ApprovalSettings, Endpoint, SecretSource } from './directory.ts'

/** The RADIUS door as the configuration has it. */
export interface RadiusSettings {
  readonly listen: readonly Endpoint[]
  readonly clients: readonly RadiusClient[]
}

/**
 * What a password is. `code`: the code alone. `password+code`: one that the upstream servers know,
 * with the code behind it. `password`: one that they know, and somebody says yes. `grant`: one that
 * they know, or anything if there are none, from an address for which the user has a live grant.
 */
export const RADIUS_MODES = ['code', 'password+code', 'password', 'grant'] as const
export type RadiusMode = (typeof RADIUS_MODES)[number]

export const ADDRESSES_FROM = ['calling-station-id', 'framed-ip-address'] as const
export type AddressFrom = (typeof ADDRESSES_FROM)[number]

/** Who may ask: a router, a VPN concentrator, a PAM module. */
export interface RadiusClient {
  readonly name: string
  readonly networks: readonly Network[]
  readonly secret: SecretSource
  readonly mode: RadiusMode
  readonly upstream: RadiusUpstream | undefined
  /** What an Accept opens, or which grants count; absent: nothing, and any. */
  readonly services: readonly string[] | undefined
  /** Whose yes is waited for, whatever the services demand. */
  readonly approval?: ApprovalSettings | undefined
  /** The attribute with the address that is meant. */
  readonly addressFrom: AddressFrom
  /** Whether an Access-Request without one is dropped (RFC 3579 section 3.2). */
  readonly messageAuthenticator: 'required' | 'optional'
}

/** The servers that know the passwords, the first one first. */
export interface RadiusUpstream {
  readonly servers: readonly Endpoint[]
  readonly secret: SecretSource
}
